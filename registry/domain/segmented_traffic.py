"""Running counts of a stage's exposures, in all and in each segment that a gate asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from registry.domain.exposure import ExposureTable
from registry.domain.segments import Segment, SegmentIndex
from registry.domain.traffic import Traffic, count


@dataclass(frozen=True, slots=True)
class SegmentedTraffic:
    """The counts of all exposures, and those of each segment by the number that its index gives.

    start: what nothing counted looks like.
    """

    start: Traffic = field(default_factory=Traffic)
    whole: Traffic = field(default_factory=Traffic)
    indexes: tuple[SegmentIndex, ...] = ()
    parts: tuple[tuple[Traffic, ...], ...] = ()

    @classmethod
    def before(
        cls, start: Traffic, expected: Mapping[str, tuple[str, ...]] | None = None
    ) -> "SegmentedTraffic":
        """Nothing counted yet; `expected`: the segments to look at, with values that must come."""
        names = expected or {}
        indexes = tuple(SegmentIndex.of(name, values) for name, values in names.items())
        return cls(start, start, indexes, tuple((start,) * len(i.codes) for i in indexes))

    @property
    def cursor(self) -> int:
        """Number of the last row that is counted."""
        return self.whole.cursor

    @property
    def rows(self) -> int:
        """How many rows are counted."""
        return self.whole.rows

    @property
    def segments(self) -> Mapping[str, Mapping[Segment, Traffic]]:
        """Each segment's counts, by attribute."""
        return {
            index.name: dict(zip(index.codes, parts, strict=True))
            for index, parts in zip(self.indexes, self.parts, strict=True)
        }

    def after(self, rows: ExposureTable) -> "SegmentedTraffic":
        """The counts after more rows."""
        if not len(rows):
            return self
        indexes, parts = [], []
        for before, counts in zip(self.indexes, self.parts, strict=True):
            index, cells = before.place(rows.segments[before.name])
            found = [*counts, *(self.start for _ in range(len(index.codes) - len(counts)))]
            for cell in np.unique(cells).tolist():
                found[cell] = count(found[cell], rows.where(cells == cell))
            indexes.append(index)
            parts.append(tuple(found))
        whole = count(self.whole, rows)
        return replace(self, whole=whole, indexes=tuple(indexes), parts=tuple(parts))
