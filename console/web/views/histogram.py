"""Geometry of a small histogram: the window's bars under the outline of the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.web.views.formatting import number, percent, sequence, words

WIDTH = 240.0
HEIGHT = 80.0
MOST_BINS = 16


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of the window, in units of the drawing."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing; `summary` says in words what it shows."""

    name: str
    moved: bool
    bars: tuple[Bar, ...]
    outline: str
    first: str
    last: str
    summary: str


def plot(feature: Mapping[str, Any], moved: bool) -> Plot:
    """The drawing of a feature's counts: shares per bin, every bin equally wide.

    Edges stand at quantiles of the reference, so its outline is nearly even and a departure of the
    bars from it is a shift. The outermost bins hold what lies beyond the first and last edge.
    """
    reference = shares(_bins(feature, "reference"))
    window = shares(_bins(feature, "window"))
    top = max((*reference, *window), default=0.0) or 1.0
    edges = sequence(feature.get("edges"))
    return Plot(
        name=words(feature.get("name")),
        moved=moved,
        bars=_bars(window, top),
        outline=_outline(reference, top),
        first=f"below {number(edges[0])}" if edges else "",
        last=f"above {number(edges[-1])}" if edges else "",
        summary=_summary(reference, window),
    )


def shares(counts: Sequence[float]) -> tuple[float, ...]:
    """Counts as parts of one; all zero where nothing was counted."""
    total = float(sum(counts))
    return tuple(float(count) / total if total else 0.0 for count in counts)


def grouped(counts: Sequence[float], most: int = MOST_BINS) -> list[float]:
    """Neighbouring bins added up, so that at most `most` are left."""
    size = -(-len(counts) // most) or 1
    return [sum(counts[start : start + size]) for start in range(0, len(counts), size)]


def _bins(feature: Mapping[str, Any], side: str) -> list[float]:
    inner = grouped(sequence(feature.get(side)))
    outside = sequence(feature.get(f"{side}_outside"))
    if not outside:
        return inner
    _missing, below, above = outside
    return [below, *inner, above]


def _bars(values: Sequence[float], top: float) -> tuple[Bar, ...]:
    step = WIDTH / max(1, len(values))
    gap = min(1.0, step / 6)
    return tuple(
        Bar(
            x=f"{place * step + gap / 2:.2f}",
            y=f"{HEIGHT * (1 - value / top):.2f}",
            width=f"{step - gap:.2f}",
            height=f"{HEIGHT * value / top:.2f}",
        )
        for place, value in enumerate(values)
    )


def _outline(values: Sequence[float], top: float) -> str:
    """A step line over the tops of the reference's bins."""
    step = WIDTH / max(1, len(values))
    points = []
    for place, value in enumerate(values):
        y = HEIGHT * (1 - value / top)
        points += [f"{place * step:.2f},{y:.2f}", f"{(place + 1) * step:.2f},{y:.2f}"]
    return " ".join(points)


def _summary(reference: Sequence[float], window: Sequence[float]) -> str:
    """How much of the window would have to move to look like the reference."""
    if not any(window):
        return "nothing in the window"
    moved = sum(abs(a - b) for a, b in zip(reference, window, strict=True)) / 2
    return f"{percent(moved)} lies elsewhere than in the reference"
