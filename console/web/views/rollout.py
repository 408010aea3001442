"""A rollout as a page shows it: where it stands, what each gate says, what one may do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.audit import Event, events
from console.web.views.commands import CANDIDATE, Command, commands
from console.web.views.evidence_chart import Chart, chart_key, charts, earlier
from console.web.views.formatting import (
    NONE,
    Chip,
    Moment,
    mapping,
    moment,
    number,
    sequence,
    stage_chip,
    version,
    words,
)
from console.web.views.gates import Gate, gate
from console.web.views.held import HeldItems, held_items
from console.web.views.quality import Bias, QualityRow, bias, quality_rows
from console.web.views.way import Place, ways

_DECISIONS = {
    "promote": (Chip("✓ may be promoted", "good"), "Why it may be promoted"),
    "hold": (Chip("… holds", "warn"), "Why it holds"),
    "roll-back": (Chip("✗ rolls back", "bad"), "Why it rolls back"),
}


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """Everything the page of one rollout shows."""

    model: str
    version: str
    stage: Chip
    way: tuple[Place, ...]
    steps: tuple[Place, ...]
    weight: str
    paused: str
    deadline: str
    gates: tuple[Gate, ...]
    earlier: tuple[tuple[str, tuple[Chart, ...]], ...]
    decision: Chip
    reasons_title: str
    decision_reasons: tuple[str, ...]
    held: HeldItems
    approvals: str
    evidence_digest: str
    commands: tuple[Command, ...]
    facts: tuple[tuple[str, str], ...]
    stage_since: Moment | None
    history: tuple[Event, ...]
    quality: tuple[QualityRow, ...]
    bias: Bias


def rollout_page(
    document: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    now: datetime,
    readings: Mapping[str, Any] | None = None,
    quality: Mapping[str, Any] | None = None,
    held: Sequence[Mapping[str, Any]] = (),
) -> RolloutPage:
    """The page of a rollout document, its events (newest first), and how its gates came here.

    quality: of all versions of the model; the page shows the rollout's own. held: the model's items
    that somebody has before them.
    """
    over_time, (chip, title, reasons) = readings or {}, _decision(document, now)
    way, steps = ways(document, history)
    return RolloutPage(
        model=str(document["model"]),
        version=version(document.get("version")),
        stage=stage_chip(document.get("stage")),
        way=way,
        steps=steps,
        weight=weight(document),
        paused=paused(document),
        deadline=deadline(document, now),
        gates=_gates(document, over_time, now),
        earlier=earlier(over_time, str(document.get("stage"))),
        decision=chip,
        reasons_title=title,
        decision_reasons=reasons,
        held=held_items(held, now),
        approvals=_approvals(mapping(document.get("approvals"))),
        evidence_digest=str(document.get("evidence_digest") or ""),
        commands=commands(document),
        facts=_facts(document, now),
        stage_since=moment(document.get("stage_since"), now),
        history=events(history, now),
        quality=quality_rows(quality or {}, (document.get("version") or 0,)),
        bias=bias(quality or {}, now),
    )


def weight(document: Mapping[str, Any]) -> str:
    """The candidate's share of the units."""
    value = document.get("weight")
    return f"{value:g} %" if isinstance(value, int | float) else NONE


def paused(document: Mapping[str, Any]) -> str:
    """Who paused it and why; empty while it runs."""
    pause = mapping(document.get("paused"))
    if not pause:
        return ""
    reason = f": {pause['reason']}" if pause.get("reason") else ""
    return f"Paused by {pause.get('by', 'someone')}{reason}"


def deadline(document: Mapping[str, Any], now: datetime) -> str:
    """When the stage ends by itself, and how; empty without a deadline."""
    found = mapping(document.get("deadline"))
    at = moment(found.get("at"), now)
    return f"Deadline {at.text} ({at.exact}): {found.get('sentence')}." if at else ""


def _gates(
    document: Mapping[str, Any], readings: Mapping[str, Any], now: datetime
) -> tuple[Gate, ...]:
    found = sequence(document.get("gates"))
    drawn = charts(readings, str(document.get("stage")), now)
    return tuple(
        gate(each, drawn.get(chart_key(each, found[:place]))) for place, each in enumerate(found)
    )


def _decision(document: Mapping[str, Any], now: datetime) -> tuple[Chip, str, tuple[str, ...]]:
    """What follows from the gates, and why: of a version that is no candidate only harm can."""
    decision = mapping(document.get("decision"))
    action = str(decision.get("action") or "")
    reasons = tuple(str(reason) for reason in sequence(decision.get("reasons")))
    if document.get("stage") in CANDIDATE or action == "roll-back":
        chip, title = _DECISIONS.get(action, (Chip(words(action) or "no decision yet"), "Why"))
        return chip, title, reasons
    until = moment(document.get("watched_until"), now) if document.get("stage") == "live" else None
    if until is None:
        return Chip("nothing is decided any more"), "", ()
    return Chip(f"watched until {until.exact}", "busy"), "What is decided", reasons


def _approvals(approvals: Mapping[str, Any]) -> str:
    needed, given = approvals.get("needed") or 0, sequence(approvals.get("given"))
    if not needed and not given:
        return "No approval is needed here."
    by = f" by {', '.join(str(name) for name in given)}" if given else ""
    return f"{len(given)} of {needed} given{by}."


def _facts(document: Mapping[str, Any], now: datetime) -> tuple[tuple[str, str], ...]:
    started = moment(document.get("started_at"), now)
    ended = moment(document.get("ended_at"), now)
    rows = (
        ("Baseline", version(document.get("baseline"))),
        ("Live now", version(document.get("live"))),
        ("Live before", version(document.get("previous"))),
        ("Generation", number(document.get("generation"))),
        ("Started", f"{started.text} by {document.get('started_by')}" if started else NONE),
        ("Ended", ended.text if ended else ""),
        ("Plan", str(document.get("plan_digest") or NONE)),
    )
    return tuple((name, value) for name, value in rows if value)
