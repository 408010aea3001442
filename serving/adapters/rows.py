"""Labels and flags as JSON columns."""

from collections.abc import Iterable, Mapping
from typing import Any

from serving.domain.prediction import Code, Flag, Label


def label_out(label: Label | None) -> dict[str, Any] | None:
    """A label as JSON."""
    if label is None:
        return None
    spread = dict(label.probabilities) if label.probabilities is not None else None
    index = list(label.index) if isinstance(label.index, tuple) else label.index
    return {"prediction": label.prediction, "index": index, "probabilities": spread}


def label_in(stored: Mapping[str, Any] | None) -> Label | None:
    """A label from JSON."""
    if stored is None:
        return None
    index = stored["index"]
    several = tuple(index) if isinstance(index, list) else index
    return Label(stored["prediction"], several, stored["probabilities"])


def flags_out(flags: Iterable[Flag]) -> list[dict[str, str]]:
    """Flags as JSON."""
    return [{"code": flag.code.value, "reason": flag.reason} for flag in flags]


def flags_in(stored: Iterable[Mapping[str, str]]) -> tuple[Flag, ...]:
    """Flags from JSON."""
    return tuple(Flag(Code(flag["code"]), flag["reason"]) for flag in stored)
