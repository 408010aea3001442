"""Counting values between fixed edges, in integers, so that counts add up exactly in any order.

A feature's counts are `[missing, below the first edge, bin 1, ..., bin m, above the last edge]`;
bin i holds edges[i-1] <= x < edges[i], the last one its upper edge too. Beside them runs `total`,
the sum of (x - mean) / sd in thousandths, rounded row by row: an exact integer, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import add

import numpy as np
import numpy.typing as npt

BINS = 64
TAILS = (0.98, 0.998)
UNITS_PER_SD = 1000
_FARTHEST_SD = 1000.0

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureCounts:
    """How many values fell where; `total` is the sum of (x - mean) / sd in thousandths."""

    counts: tuple[int, ...]
    total: int

    def __add__(self, other: "FeatureCounts") -> "FeatureCounts":
        return FeatureCounts(
            add_tuples(self.counts, other.counts),
            self.total + other.total,
        )

    @property
    def missing(self) -> int:
        """Rows where the value was not a number."""
        return self.counts[0]

    @property
    def present(self) -> npt.NDArray[np.int64]:
        """Counts below, in each bin, and above: (bins + 2,)."""
        return np.array(self.counts[1:], dtype=np.int64)

    @property
    def rows(self) -> int:
        """Rows that had a value."""
        return sum(self.counts[1:])

    @property
    def moved(self) -> float:
        """Mean shift against the reference, in its standard deviations."""
        return self.total / UNITS_PER_SD / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Bins:
    """The edges of one feature (rising, at least two), its mean and standard deviation.

    tails: pairs of a reference quantile and the index of the edge that stands there.
    """

    edges: tuple[float, ...]
    mean: float
    sd: float
    tails: tuple[tuple[float, int], ...] = ()

    def count(self, values: Values) -> FeatureCounts:
        """The counts of a batch of values, (n,)."""
        counts = np.bincount(self.places(values), minlength=len(self.edges) + 2)
        return FeatureCounts(tuple(counts.tolist()), self._total(values))

    def places(self, values: Values) -> npt.NDArray[np.int64]:
        """Which of the counts each value belongs to, (n,)."""
        edges = np.array(self.edges)
        place = np.searchsorted(edges, values, side="right") + 1
        place[values == edges[-1]] = len(edges)
        place[np.isnan(values)] = 0
        return place

    def _total(self, values: Values) -> int:
        scaled = (values[~np.isnan(values)] - self.mean) / self.sd
        near = np.clip(scaled, -_FARTHEST_SD, _FARTHEST_SD)
        return int(np.rint(near * UNITS_PER_SD).astype(np.int64).sum())


def bins_at_quantiles(values: Values, with_tails: bool = False) -> Bins:
    """Edges at 64 equal shares of the reference, and at the tail quantiles if asked for.

    Repeated quantiles (values that occur often) fold into one edge. Values that are not finite
    are left out; at least one must be finite.
    """
    finite = values[np.isfinite(values)]
    levels = np.linspace(0.0, 1.0, BINS + 1)
    tails = TAILS if with_tails else ()
    edges = np.unique(np.quantile(finite, np.union1d(levels, tails)))
    if len(edges) == 1:
        edges = np.array([edges[0], np.nextafter(edges[0], np.inf)])
    sd = float(finite.std())
    at = [(q, int(np.searchsorted(edges, np.quantile(finite, q)))) for q in tails]
    return Bins(tuple(edges.tolist()), float(finite.mean()), sd if sd > 0 else 1.0, tuple(at))


def add_tuples(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    """The sums, place by place; an empty one is zero."""
    if not one or not other:
        return tuple(one or other)
    return tuple(map(add, one, other))
