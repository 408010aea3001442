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
    duration,
    mapping,
    moment,
    number,
    sequence,
    stage_chip,
    version,
    words,
)
from console.web.views.gates import Gate, gate
from console.web.views.quality import Bias, QualityRow, bias, quality_rows

_DECISIONS = {
    "promote": Chip("✓ may be promoted", "good"),
    "hold": Chip("… holds", "warn"),
    "roll-back": Chip("✗ rolls back", "bad"),
}
_PLACES = (*CANDIDATE, "live")


@dataclass(frozen=True, slots=True)
class Place:
    """One stage of the way, or one step of the weights."""

    text: str
    state: str  # done, here, ahead


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
    decision_reasons: tuple[str, ...]
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
) -> RolloutPage:
    """The page of a rollout document, its events (newest first), and how its gates came here.

    quality: of all versions of the model; the page shows the rollout's own.
    """
    decision, over_time = mapping(document.get("decision")), readings or {}
    return RolloutPage(
        model=str(document["model"]),
        version=version(document.get("version")),
        stage=stage_chip(document.get("stage")),
        way=_way(document),
        steps=_steps(document),
        weight=weight(document),
        paused=paused(document),
        deadline=deadline(document, now),
        gates=_gates(document, over_time, now),
        earlier=earlier(over_time, str(document.get("stage"))),
        decision=_decision(decision),
        decision_reasons=tuple(str(reason) for reason in sequence(decision.get("reasons"))),
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


def _decision(decision: Mapping[str, Any]) -> Chip:
    action = str(decision.get("action") or "")
    return _DECISIONS.get(action, Chip(words(action) or "no decision yet"))


def _way(document: Mapping[str, Any]) -> tuple[Place, ...]:
    stage = str(document.get("stage") or "")
    if stage not in _PLACES:
        return ()
    here = _PLACES.index(stage)
    return tuple(Place(words(name), _state(place, here)) for place, name in enumerate(_PLACES))


def _steps(document: Mapping[str, Any]) -> tuple[Place, ...]:
    steps = sequence(document.get("steps"))
    stage, here = str(document.get("stage") or ""), int(document.get("step") or 0)
    here = here if stage == "gradual" else len(steps) if stage == "live" else -1
    return tuple(
        Place(
            f"{step['weight']:g} % for {duration(step.get('bake_seconds') or 0)}", _state(n, here)
        )
        for n, step in enumerate(steps)
    )


def _state(place: int, here: int) -> str:
    return "done" if place < here else "here" if place == here else "ahead"


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
