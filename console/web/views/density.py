"""Geometry of one distribution: bins as wide as they are, bars as high as they are dense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from console.web.views.formatting import number, sequence, words
from console.web.views.histogram import HEIGHT, WIDTH, Bar

_BARS = 24


@dataclass(frozen=True, slots=True)
class Density:
    """One drawing; `summary` says in words what it shows."""

    name: str
    bars: tuple[Bar, ...]
    first: str
    last: str
    summary: str


def density(feature: Mapping[str, Any]) -> Density:
    """The drawing of a feature's counts, which lie between edges at its quantiles."""
    edges = [float(edge) for edge in sequence(feature.get("edges"))]
    counts = [float(count) for count in sequence(feature.get("counts"))]
    missing = sequence(feature.get("outside"))[:1]
    lacking = f"; {number(missing[0])} missing" if missing and missing[0] else ""
    return Density(
        name=words(feature.get("name")),
        bars=_bars(even(edges, counts, _BARS)),
        first=number(edges[0]),
        last=number(edges[-1]),
        summary=f"mean {number(feature.get('mean'))}, sd {number(feature.get('sd'))}{lacking}",
    )


def even(edges: Sequence[float], counts: Sequence[float], bars: int) -> list[float]:
    """The counts in bins of equal width, each old bin shared out evenly over those it covers."""
    first, width = edges[0], (edges[-1] - edges[0]) / bars
    heights = [0.0] * bars
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        place = min(bars - 1, int((low - first) / width))
        while True:
            end = first + (place + 1) * width if place < bars - 1 else high
            covered = min(high, end) - max(low, first + place * width)
            heights[place] += count * max(0.0, covered) / (high - low)
            place += 1
            if place == bars or end >= high:
                break
    return heights


def _bars(heights: Sequence[float]) -> tuple[Bar, ...]:
    step, top = WIDTH / len(heights), max(heights) or 1.0
    return tuple(
        Bar(
            x=f"{place * step + 0.5:.2f}",
            y=f"{HEIGHT * (1 - height / top):.2f}",
            width=f"{step - 1:.2f}",
            height=f"{HEIGHT * height / top:.2f}",
        )
        for place, height in enumerate(heights)
    )
