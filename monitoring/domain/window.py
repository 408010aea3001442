"""What a stretch of live rows looked like, counted on the reference's edges.

Everything is an integer, so windows of replicas and of epochs add up exactly, in any order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from monitoring.domain.binning import FeatureCounts, add_tuples


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Counts of live rows: of each feature, of the predicted classes, of flagged rows.

    scored: rows that had an out-of-domain p-value. flagged: those of them that were out of domain.
    """

    rows: int = 0
    features: Mapping[str, FeatureCounts] = field(default_factory=dict)
    predicted: tuple[int, ...] = ()
    scored: int = 0
    flagged: int = 0

    def __add__(self, other: "WindowCounts") -> "WindowCounts":
        nothing = FeatureCounts((), 0)
        names = dict.fromkeys([*self.features, *other.features])
        return WindowCounts(
            self.rows + other.rows,
            {n: self.features.get(n, nothing) + other.features.get(n, nothing) for n in names},
            add_tuples(self.predicted, other.predicted),
            self.scored + other.scored,
            self.flagged + other.flagged,
        )

    @property
    def out_of_domain_ratio(self) -> float | None:
        """The share of scored rows that were out of domain; None if none was scored."""
        return self.flagged / self.scored if self.scored else None


@dataclass(frozen=True, slots=True)
class Growth:
    """The inputs that came since evidence of a shift began to grow, up to a window's end.

    Counted one by one: the change lies within a window, or in an earlier one.
    """

    since: datetime
    counts: WindowCounts


@dataclass(frozen=True, slots=True)
class LiveWindow:
    """What one replica saw of one version between two moments; stored once per epoch.

    shift_evidence: where the replica's detector stood at its end (`monitoring.domain.detector`).
    growth: kept if that is worth explaining.
    """

    model: str
    version: int
    replica: str
    epoch: int
    started_at: datetime
    ended_at: datetime
    counts: WindowCounts
    shift_evidence: float = 0.0
    growth: Growth | None = None

    @property
    def rows(self) -> int:
        """How many inputs it counts."""
        return self.counts.rows


def merge(windows: Iterable[LiveWindow]) -> WindowCounts:
    """The counts of all of them together."""
    return sum((w.counts for w in windows), start=WindowCounts())
