"""Where a gate on traffic can stand: it needs units, and most need a baseline beside them."""

from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.stages import Stage

_GRADUAL, _LIMITED = Stage.GRADUAL.value, Stage.LIMITED_SCOPE.value
_STANDS_IN = {
    "failures": (_LIMITED, _GRADUAL),
    "action-rate": (_LIMITED, _GRADUAL),
    "latency": (_GRADUAL,),
    "split": (_GRADUAL,),
}


def traffic_disagreements(plan: Any, part: Any, gate: Any) -> Iterator[tuple[str, str]]:
    """What speaks against this gate in this stage, as a key of the gate and a sentence."""
    name, stage = _get(gate, "type"), _get(part, "stage")
    if name not in _STANDS_IN or stage not in set(Stage):
        return
    limited = name == "latency" and _get(gate, "at_most_ms") is not None
    if stage not in _STANDS_IN[name] and not (limited and stage == _LIMITED):
        yield "type", f"{name} is measured in {' or '.join(_STANDS_IN[name])}, not in {stage}"
    elif _get(plan, "unit") is None and stage == _LIMITED:
        yield (
            "type",
            f"{name} counts units, and the plan names none; write for example `unit: user_id` "
            "beside `model`",
        )
    else:
        yield from _beside(plan, part, gate)


def _beside(plan: Any, part: Any, gate: Any) -> Iterator[tuple[str, str]]:
    """Whether what it compares with is there."""
    name, stage = _get(gate, "type"), _get(part, "stage")
    compares = (name == "latency" and _get(gate, "at_most_ms") is None) or (
        name == "action-rate" and not isinstance(_get(gate, "against"), Mapping)
    )
    other = "; state rates, such as `against: {bear: 0.2}`" if name == "action-rate" else ""
    if compares and _get(plan, "model", "baseline") == "none":
        yield "type", f"there is no baseline for {name} to compare with{other}"
    elif compares and stage == _LIMITED:
        yield (
            "type",
            f"in limited-scope no baseline answers beside the candidate for {name} to compare "
            f"with{other}",
        )
    elif (compares or name == "split") and stage == _GRADUAL and _whole(part):
        yield (
            "type",
            f"{name} compares candidate and baseline side by side, and at a weight of 100 there is "
            "no other side; add a step before, such as `{weight: 25}`",
        )


def _whole(part: Any) -> bool:
    steps = _get(part, "steps")
    weights = [_get(step, "weight") for step in steps] if isinstance(steps, list) else []
    return bool(weights) and all(weight == 100 for weight in weights)


def _get(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
