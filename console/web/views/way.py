"""The way of a rollout through its own plan: how it left each stage and each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.web.views.formatting import duration, mapping, sequence, words

_GRADUAL = "gradual"
_STATES = {"promoted": "done", "overridden": "overridden"}
_Spot = tuple[str, int]  # a stage of the plan and, in gradual, the number of the step
_State = tuple[str, str]  # of a place, with its note


@dataclass(frozen=True, slots=True)
class Place:
    """One stage of the way, or one step of the weights.

    state: done (left on evidence), overridden, left (nothing tells how), here or ahead. note: who
    overrode it, and why.
    """

    text: str
    state: str
    note: str = ""


def ways(
    document: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """The stages of the plan and the weights of its gradual stage; none once it has ended.

    history: the events of the model. What none of them tells is not said to be done.
    """
    stages = [str(stage) for stage in sequence(document.get("stages"))]
    steps = sequence(document.get("steps"))
    stage, step = str(document.get("stage")), int(document.get("step") or 0)
    if stage not in stages:
        return (), ()
    spots = [(name, n) for name in stages for n in range(_length(name, steps))]
    here = spots.index((stage, step if stage == _GRADUAL else 0))
    left = _left(spots, history, document.get("id"))
    states = {spot: _state(n, here, left.get(spot)) for n, spot in enumerate(spots)}
    way = (Place(words(name), *_of_stage(name, states)) for name in stages)
    weights = (
        Place(_weight(each), *states[_GRADUAL, n])
        for n, each in enumerate(steps)
        if _GRADUAL in stages
    )
    return tuple(way), tuple(weights)


def _weight(step: Mapping[str, Any]) -> str:
    return f"{step['weight']:g} % for {duration(step.get('bake_seconds') or 0)}"


def _length(stage: str, steps: Sequence[object]) -> int:
    return max(len(steps), 1) if stage == _GRADUAL else 1


def _left(
    spots: Sequence[_Spot], history: Sequence[Mapping[str, Any]], rollout: object
) -> Mapping[_Spot, _State]:
    """How each spot was left; a promotion leaves all that it passes over."""
    left: dict[_Spot, _State] = {}
    for event in history:
        if event.get("rollout_id") != rollout or event.get("action") not in _STATES:
            continue
        detail = mapping(event.get("detail"))
        start, end = _spot(detail.get("from")), _spot(detail.get("to"))
        if start in spots and end in spots:
            passed = spots[spots.index(start) : spots.index(end)]
            left |= dict.fromkeys(passed, _how(event, str(detail.get("reason") or "")))
    return left


def _spot(place: object) -> _Spot:
    found = mapping(place)
    stage = str(found.get("stage"))
    return stage, int(found.get("step") or 0) if stage == _GRADUAL else 0


def _how(event: Mapping[str, Any], reason: str) -> _State:
    state = _STATES[str(event["action"])]
    if state == "done":
        return state, ""
    return state, f"overridden by {event.get('actor')}{f': {reason}' if reason else ''}"


def _state(place: int, here: int, left: _State | None) -> _State:
    if place >= here:
        return ("here" if place == here else "ahead"), ""
    return left or ("left", "")


def _of_stage(stage: str, states: Mapping[_Spot, _State]) -> _State:
    """A stage is done when all of its steps are."""
    own = dict(state for spot, state in states.items() if spot[0] == stage)
    first = next(s for s in ("here", "overridden", "left", "done", "ahead") if s in own)
    return first, own[first]
