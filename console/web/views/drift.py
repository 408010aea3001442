"""Drift as a page shows it: the sentence, the tests, and each histogram beside its reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.formatting import (
    NONE,
    Chip,
    Moment,
    mapping,
    moment,
    number,
    percent,
    sequence,
    version,
    words,
)
from console.web.views.histogram import Plot, plot

MOST_PLOTS = 24
MOST_TESTS = 60


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a feature of the window with the reference."""

    feature: str
    test: str
    verdict: Chip
    effect: str
    interval: str
    moved: str
    p_value: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement in the history."""

    at: Moment | None
    rows: str
    alarm: Chip
    sentence: str


@dataclass(frozen=True, slots=True)
class DriftPage:
    """Everything the drift page shows; what moved most comes first."""

    model: str
    version: str
    alarm: Chip
    sentence: str
    window: str
    out_of_domain: str
    notes: tuple[str, ...]
    tests: tuple[Test, ...]
    tests_left_out: int
    plots: tuple[Plot, ...]
    plots_left_out: int
    history: tuple[Measurement, ...]


def drift_page(document: Mapping[str, Any], now: datetime) -> DriftPage:
    """The page of a drift document."""
    tests = sorted(sequence(document.get("tests")), key=_most_moved_first)
    order = {str(test["feature"]): place for place, test in reversed(list(enumerate(tests)))}
    moved = {str(test["feature"]) for test in tests if test.get("alarm")}
    features = sorted(
        sequence(document.get("features")),
        key=lambda feature: order.get(str(feature["name"]), len(order)),
    )
    return DriftPage(
        model=str(document["model"]),
        version=version(document.get("version")),
        alarm=_alarm(document, measured=bool(tests)),
        sentence=str(document.get("sentence") or "Nothing was measured yet."),
        window=_window(document, now),
        out_of_domain=_out_of_domain(mapping(document.get("out_of_domain"))),
        notes=tuple(str(note) for note in document.get("notes") or ()),
        tests=tuple(_test(each) for each in tests[:MOST_TESTS]),
        tests_left_out=max(0, len(tests) - MOST_TESTS),
        plots=tuple(plot(each, str(each["name"]) in moved) for each in features[:MOST_PLOTS]),
        plots_left_out=max(0, len(features) - MOST_PLOTS),
        history=tuple(_measurement(each, now) for each in sequence(document.get("history"))),
    )


def _most_moved_first(test: Mapping[str, Any]) -> tuple[bool, float, str]:
    return not test.get("alarm"), float(test.get("p_adjusted", 1.0)), str(test["feature"])


def _alarm(measurement: Mapping[str, Any], *, measured: bool = True) -> Chip:
    if not measured:
        return Chip("not measured")
    return Chip("✗ alarm", "bad") if measurement.get("alarm") else Chip("✓ quiet", "good")


def _window(document: Mapping[str, Any], now: datetime) -> str:
    start, end = (moment(document.get(f"window_{side}"), now) for side in ("from", "to"))
    if start is None or end is None:
        return ""
    return f"{number(document.get('rows'))} inputs from {start.exact} to {end.exact} ({end.text})"


def _test(test: Mapping[str, Any]) -> Test:
    interval = [number(each) for each in sequence(test.get("effect_interval"))]
    moved = test.get("moved_sd")
    return Test(
        feature=words(test["feature"]),
        test=str(test.get("test") or ""),
        verdict=Chip("✗ moved", "bad") if test.get("alarm") else Chip("✓ as before", "good"),
        effect=number(test.get("effect")),
        interval=" to ".join(interval),
        moved=f"{moved:+.2f} sd" if isinstance(moved, int | float) else "",
        p_value=number(test.get("p_adjusted")),
    )


def _out_of_domain(numbers: Mapping[str, Any]) -> str:
    if not numbers:
        return "No input of this window has an out-of-domain score."
    flagged, rows = number(numbers.get("flagged")), number(numbers.get("rows"))
    expected = numbers.get("expected")
    usual = "" if expected is None else f"; {percent(expected)} would be usual"
    if few := numbers.get("finest_of"):
        usual += f", the finest that {few} held-out inputs allow"
    return f"{flagged} of {rows} inputs ({percent(numbers.get('ratio'))}) are out of domain{usual}."


def _measurement(measurement: Mapping[str, Any], now: datetime) -> Measurement:
    return Measurement(
        at=moment(measurement.get("at"), now),
        rows=number(measurement.get("rows")),
        alarm=_alarm(measurement),
        sentence=str(measurement.get("sentence") or NONE),
    )
