"""The values of an input beside the training data: a row for each, with a small bar."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.web.views.formatting import sequence


@dataclass(frozen=True, slots=True)
class Bar:
    """Where the training values lie and where this one does, in hundredths of the bar's width.

    range: all training values, from and width; usual: nine in ten of them; at: this value.
    """

    range_x: str
    range_width: str
    usual_x: str
    usual_width: str
    at: str


@dataclass(frozen=True, slots=True)
class Value:
    """One value; a category has no bar."""

    name: str
    said: str
    sentence: str
    outside: bool
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class InputPanel:
    """All values, the oddest first; `outside` are the sentences on those beyond the training."""

    values: tuple[Value, ...]
    outside: tuple[str, ...]


def input_panel(document: Mapping[str, Any]) -> InputPanel:
    """The panel of the API's comparison."""
    values = tuple(_value(one) for one in sequence(document.get("values")))
    return InputPanel(values, tuple(one.sentence for one in values if one.outside))


def _value(one: Mapping[str, Any]) -> Value:
    sentence = str(one["sentence"])
    bar = None if one.get("value") is None else _bar(one)
    return Value(str(one["name"]), str(one["said"]), sentence, bool(one["outside"]), bar)


def _bar(one: Mapping[str, Any]) -> Bar:
    """A value far away must not press the training range together: it is drawn at the edge."""
    low, high, value = float(one["low"]), float(one["high"]), float(one["value"])
    width = (high - low) or 1.0
    start, end = low - width / 4, high + width / 4

    def x(at: float) -> float:
        return 1 + 98 * (min(max(at, start), end) - start) / (end - start)

    usual_low, usual_high = map(float, one["usual"])
    return Bar(
        range_x=f"{x(low):.1f}",
        range_width=f"{x(high) - x(low):.1f}",
        usual_x=f"{x(usual_low):.1f}",
        usual_width=f"{x(usual_high) - x(usual_low):.1f}",
        at=f"{x(value):.1f}",
    )
