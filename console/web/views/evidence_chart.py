"""Geometry of a gate's evidence over time: two lines that climb towards their threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.formatting import duration, mapping, parse_time, percent, sequence, words

WIDTH = 320.0
HEIGHT = 84.0
_TOP = 1.15  # a little above the threshold, which is 1
_DEEPEST = -1.0

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawing; `summary` says in words what it shows.

    Points are in units of the drawing; a line is empty where the gate makes no such bet.
    """

    name: str
    for_pass: str
    for_harm: str
    threshold_y: str
    zero_y: str
    first: str
    last: str
    summary: str


def charts(readings: Mapping[str, Any], stage: str, now: datetime | None) -> Mapping[Key, Chart]:
    """The charts of a stage; with `now` they go on to this moment, else they end with the stage."""
    for each in sequence(readings.get("stages")):
        if each.get("stage") == stage:
            return _charts(sequence(each.get("gates")), now)
    return {}


def chart_key(gate: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> Key:
    """What a gate's chart is found by; `before` are the gates that stand before it."""
    name = str(gate.get("type")), str(gate.get("segment") or "")
    same = [g for g in before if (str(g.get("type")), str(g.get("segment") or "")) == name]
    return *name, len(same)


def _charts(gates: Sequence[Mapping[str, Any]], now: datetime | None) -> Mapping[Key, Chart]:
    made = ((chart_key(gate, gates[:place]), _chart(gate, now)) for place, gate in enumerate(gates))
    return {key: chart for key, chart in made if chart is not None}


def _chart(gate: Mapping[str, Any], now: datetime | None) -> Chart | None:
    points = [(parse_time(at), said) for at, *said in sequence(gate.get("points"))]
    timed = [(at, *said[1:]) for at, said in points if at is not None]
    if not timed or all(each is None for _, *said in timed for each in said):
        return None
    start, end = timed[0][0], now or timed[-1][0]
    low = min(
        0.0, *(max(_DEEPEST, each) for _, *said in timed for each in said if each is not None)
    )
    place = _Place(start, max((end - start).total_seconds(), 1.0), low - 0.05)
    lines = [
        place.line([(at, said[side]) for at, *said in timed if said[side] is not None])
        for side in (0, 1)
    ]
    segment = gate.get("segment")
    name = words(gate.get("type")) + (f" ({segment})" if segment else "")
    over = duration((end - start).total_seconds())
    return Chart(
        name=name,
        for_pass=lines[0],
        for_harm=lines[1],
        threshold_y=f"{place.y(1.0):.1f}",
        zero_y=f"{place.y(0.0):.1f}",
        first=f"{over} ago" if now else f"{start:%Y-%m-%d %H:%M}",
        last="now" if now else f"{end:%Y-%m-%d %H:%M}",
        summary=_summary(name, over, timed[-1][1], timed[-1][2]),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    start: datetime
    seconds: float
    low: float

    def y(self, value: float) -> float:
        inside = max(self.low, min(_TOP, value))
        return HEIGHT * (1 - (inside - self.low) / (_TOP - self.low))

    def line(self, values: Sequence[tuple[datetime, float]]) -> str:
        """Steps: nothing changes between two readings."""
        corners, before = [], None
        for at, value in values:
            x = WIDTH * min(1.0, (at - self.start).total_seconds() / self.seconds)
            if before is not None:
                corners.append(f"{x:.1f},{before:.1f}")
            before = self.y(value)
            corners.append(f"{x:.1f},{before:.1f}")
        if before is not None:
            corners.append(f"{WIDTH:.1f},{before:.1f}")
        return " ".join(corners)


def _summary(name: str, over: str, passing: object, harm: object) -> str:
    said = [
        f"{what} {percent(max(0.0, share))} of what is needed"
        for what, share in (("for promotion", passing), ("of harm", harm))
        if isinstance(share, int | float)
    ]
    return f"Evidence of the gate {name} over {over}: {', '.join(said)}"


def earlier(readings: Mapping[str, Any], stage: str) -> tuple[tuple[str, tuple[Chart, ...]], ...]:
    """The charts of the stages before, by the name of the stage."""
    stages = [mapping(each) for each in sequence(readings.get("stages"))]
    found = (
        (words(each.get("stage")), tuple(_charts(sequence(each.get("gates")), None).values()))
        for each in stages
        if each.get("stage") != stage
    )
    return tuple((name, some) for name, some in found if some)
