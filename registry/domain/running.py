"""The running state of a stage's evidence: state so far and new rows give the state after them.

Rows that can no longer change are counted once and forgotten; only those behind them are kept, so
that a look costs what is new and not what there is. The result is the same, to the last bit, as if
everything were counted afresh: property tests cut the stream in any way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from registry.domain.arm_errors import ArmErrors
from registry.domain.evidence_table import EvidenceTable, Rival, Standing, table_of
from registry.domain.segments import Segment, SegmentIndex
from registry.domain.tally import Kinds, Tally, tallies, together


@dataclass(frozen=True, slots=True)
class Answers:
    """What the verdicts of a stage say: on all answers, in each segment, and side by side."""

    whole: Tally = field(default_factory=Tally)
    segments: Mapping[str, Mapping[Segment, Tally]] = field(default_factory=dict)
    arms: ArmErrors = field(default_factory=ArmErrors)


@dataclass(frozen=True, slots=True)
class Running:
    """Counts of the rows up to number `position`, and the rows behind it.

    since: the generation from which on rows tell of the present baseline.
    """

    since: int
    position: int
    whole: Tally
    arms: ArmErrors
    indexes: tuple[SegmentIndex, ...]
    by_segment: tuple[tuple[Tally, ...], ...]
    tail: EvidenceTable

    @classmethod
    def start(cls, expected: Mapping[str, Sequence[str]], since: int = 0) -> "Running":
        """Nothing counted yet; `expected`: the segments to look at, with values that must come."""
        indexes = tuple(SegmentIndex.of(name, values) for name, values in expected.items())
        nothing = tuple(tuple(Tally() for _ in index.codes) for index in indexes)
        return cls(since, 0, Tally(), ArmErrors(), indexes, nothing, table_of([], tuple(expected)))

    def unsettled(self, until: int, moment: datetime) -> frozenset[int]:
        """The numbers, up to `until`, of the rows that had no verdict and were not yet due."""
        tail = self.tail
        open_ = (tail.at(moment) == Standing.PENDING) & (tail.ids <= until)
        return frozenset(tail.ids[open_].tolist())

    def take(self, until: int, changed: EvidenceTable, fresh: EvidenceTable) -> "Running":
        """With what has come of the rows up to `until`, and all rows behind that anew."""
        old = self.tail.where(slice(0, int(np.searchsorted(self.tail.ids, until, "right"))))
        return replace(self, tail=old.replacing(changed).followed_by(fresh))

    def settle(self, until: int, moment: datetime) -> "Running":
        """Count for good the leading rows, up to number `until`, that were final at a moment."""
        standings = self.tail.at(moment)
        open_ = np.flatnonzero((standings == Standing.PENDING) | (self.tail.ids > until))
        end = int(open_[0]) if len(open_) else len(self.tail)
        if not end:
            return self
        rows = self.tail.where(slice(0, end))
        whole, arms, indexes, by_segment = self._after(rows, standings[:end])
        tail = self.tail.where(slice(end, None))
        return Running(self.since, int(rows.ids[-1]), whole, arms, indexes, by_segment, tail)

    def answers(self, now: datetime) -> Answers:
        """What all rows say at this moment."""
        whole, arms, indexes, by_segment = self._after(self.tail, self.tail.at(now))
        segments = {
            index.name: dict(zip(index.codes, found, strict=True))
            for index, found in zip(indexes, by_segment, strict=True)
        }
        return Answers(whole, segments, arms)

    def _after(
        self, rows: EvidenceTable, standings: npt.NDArray[np.int8]
    ) -> tuple[Tally, ArmErrors, tuple[SegmentIndex, ...], tuple[tuple[Tally, ...], ...]]:
        present = rows.epochs >= self.since
        arms = self.arms.after(rows, standings, present)
        if not present.all():
            rows = replace(rows, rivals=np.where(present, rows.rivals, np.int8(Rival.NONE)))
        if rows.of_baseline.any():
            own = ~rows.of_baseline
            rows, standings = rows.where(own), standings[own]
        everything = np.zeros(len(rows), np.intp)
        kinds = Kinds.of(rows, standings)
        (whole,) = tallies(kinds, everything, 1)
        indexes, by_segment = [], []
        for before, found in zip(self.indexes, self.by_segment, strict=True):
            index, cells = before.place(rows.segments[before.name])
            new = tallies(kinds, cells, len(index.codes))
            old = [*found, *(Tally() for _ in range(len(new) - len(found)))]
            indexes.append(index)
            by_segment.append(tuple(map(together, old, new)))
        return together(self.whole, whole), arms, tuple(indexes), tuple(by_segment)
