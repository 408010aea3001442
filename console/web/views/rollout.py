"""A rollout as a page shows it: where it stands, what each gate says, what one may do next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.audit import Event, events
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

VERDICTS = {
    "passed": Chip("✓ passed", "good"),
    "failed": Chip("✗ failed", "bad"),
    "inconclusive": Chip("… inconclusive", "warn"),
    "stale": Chip("↻ stale", "warn"),
}
_DECISIONS = {
    "promote": Chip("✓ may be promoted", "good"),
    "hold": Chip("… holds", "warn"),
    "roll-back": Chip("✗ rolls back", "bad"),
}
_PLACES = ("manual-review", "limited-scope", "gradual", "live")


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate; the bar is full where the evidence reaches its threshold."""

    name: str
    segment: str
    verdict: Chip
    sentence: str
    dry_run: bool
    bar_width: str | None
    bar_text: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One stage of the way, or one step of the weights."""

    text: str
    state: str  # done, here, ahead


@dataclass(frozen=True, slots=True)
class Command:
    """What to type for an action."""

    name: str
    text: str
    note: str


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
    gates: tuple[Gate, ...]
    decision: Chip
    decision_reasons: tuple[str, ...]
    approvals: str
    evidence_digest: str
    commands: tuple[Command, ...]
    facts: tuple[tuple[str, str], ...]
    stage_since: Moment | None
    history: tuple[Event, ...]


def rollout_page(
    document: Mapping[str, Any], history: Sequence[Mapping[str, Any]], now: datetime
) -> RolloutPage:
    """The page of a rollout document and its events, the newest event first."""
    decision = mapping(document.get("decision"))
    return RolloutPage(
        model=str(document["model"]),
        version=version(document.get("version")),
        stage=stage_chip(document.get("stage")),
        way=_way(document),
        steps=_steps(document),
        weight=weight(document),
        paused=paused(document),
        gates=tuple(gate(each) for each in sequence(document.get("gates"))),
        decision=_decision(decision),
        decision_reasons=tuple(str(reason) for reason in sequence(decision.get("reasons"))),
        approvals=_approvals(mapping(document.get("approvals"))),
        evidence_digest=str(document.get("evidence_digest") or ""),
        commands=_commands(document),
        facts=_facts(document, now),
        stage_since=moment(document.get("stage_since"), now),
        history=events(history, now),
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


def gate(document: Mapping[str, Any]) -> Gate:
    """One gate of a rollout document."""
    numbers = mapping(document.get("numbers"))
    side = "harm" if document.get("verdict") == "failed" else "pass"
    share, text = _towards_threshold(numbers, side)
    return Gate(
        name=words(document.get("type")),
        segment=str(document.get("segment") or ""),
        verdict=verdict(document.get("verdict")),
        sentence=str(document.get("sentence") or ""),
        dry_run=bool(document.get("dry_run")),
        bar_width=None if share is None else f"{100 * share:.1f}",
        bar_text=text,
        numbers=tuple(
            (words(name), number(value))
            for name, value in numbers.items()
            if not isinstance(value, Mapping | list)
        ),
    )


def verdict(value: object) -> Chip:
    """A gate's verdict with a sign, so that colour is not all that tells."""
    return VERDICTS.get(str(value), Chip(str(value or NONE)))


def _towards_threshold(numbers: Mapping[str, Any], side: str) -> tuple[float | None, str]:
    """How far the evidence is; e-values multiply, so the bar is measured in logarithms."""
    log_e, log_needed = numbers.get(f"log_e_{side}"), numbers.get(f"log_e_{side}_needed")
    if not isinstance(log_e, int | float) or not isinstance(log_needed, int | float):
        return None, ""
    share = min(1.0, max(0.0, log_e / log_needed)) if log_needed > 0 else 1.0
    what = "of harm" if side == "harm" else "for promotion"
    return share, f"evidence {what}: {_e_value(log_e)}, needs {_e_value(log_needed)}"


def _e_value(logarithm: float) -> str:
    return f"10^{logarithm / math.log(10):.0f}" if logarithm > 14 else number(math.exp(logarithm))


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


def _commands(document: Mapping[str, Any]) -> tuple[Command, ...]:
    model, generation = str(document["model"]), document.get("generation")
    name = f"stagegate rollout {{}} {model}"
    if str(document.get("stage")) not in _PLACES[:3]:
        return (
            Command("Undo", name.format("undo"), "returns to the version that was live before"),
        )
    evidence = str(document.get("evidence_digest") or "")
    pause = (
        Command("Resume", name.format("resume"), "lets it go on")
        if document.get("paused")
        else Command("Pause", name.format("pause"), "keeps it where it is")
    )
    approve = (
        (
            Command(
                "Approve", f"{name.format('approve')} --evidence {evidence}", "this evidence only"
            ),
        )
        if evidence
        else ()
    )
    to = f"to {words(document['next'])}" if document.get("next") else "to the next stage"
    return (
        Command("Promote", f"{name.format('promote')} --expect-generation {generation}", to),
        *approve,
        pause,
        Command("Abort", name.format("abort"), "always wins: the baseline answers again"),
    )


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
