"""The running state of a stage's evidence: state so far and new rows give the state after them.

Rows that can no longer change are counted once and forgotten; only those behind them are kept, so
that a look costs what is new and not what there is. The result is the same, to the last bit, as if
everything were counted afresh: property tests cut the stream in any way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from registry.domain.arm_errors import ArmErrors
from registry.domain.evidence_table import EvidenceTable, Rival, Standing, table_of
from registry.domain.segments import Segment, SegmentIndex
from registry.domain.tally import Kinds, Tally, tallies, together
from registry.domain.visits import Visits

_Counts = TypeVar("_Counts", Tally, ArmErrors)
Segments = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Counting:
    """How the answers of a stage are counted.

    segments: the attributes to look at value by value, with the values that must come. since: the
    generation from which on rows tell of the present baseline. visit_seconds: how long answers to a
    unit hang together. sides: whether a gate compares answers to different units side by side;
    sides_by_segment: whether in each segment.
    """

    segments: Segments = field(default_factory=dict)
    since: int = 0
    visit_seconds: float = 0.0
    sides: bool = True
    sides_by_segment: bool = False


@dataclass(frozen=True, slots=True)
class Answers:
    """What the verdicts of a stage say: on all answers, in each segment, and side by side."""

    whole: Tally = field(default_factory=Tally)
    segments: Mapping[str, Mapping[Segment, Tally]] = field(default_factory=dict)
    arms: ArmErrors = field(default_factory=ArmErrors)
    arms_of: Mapping[str, Mapping[Segment, ArmErrors]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """Counts of the rows up to number `position`, and the rows behind it.

    by_segment: for each attribute. arms_index, arms_by_segment: the same for both versions' answers
    side by side, where other values may come.
    """

    counting: Counting
    position: int
    whole: Tally
    arms: ArmErrors
    visits: Visits
    indexes: tuple[SegmentIndex, ...]
    by_segment: tuple[tuple[Tally, ...], ...]
    arm_indexes: tuple[SegmentIndex, ...]
    arms_by_segment: tuple[tuple[ArmErrors, ...], ...]
    tail: EvidenceTable

    @classmethod
    def start(cls, counting: Counting) -> "Running":
        """Nothing counted yet."""
        expected = counting.segments
        indexes = tuple(SegmentIndex.of(name, values) for name, values in expected.items())
        return cls(
            counting=counting,
            position=0,
            whole=Tally(),
            arms=ArmErrors(),
            visits=Visits(counting.visit_seconds),
            indexes=indexes,
            by_segment=tuple(tuple(Tally() for _ in index.codes) for index in indexes),
            arm_indexes=indexes,
            arms_by_segment=tuple(tuple(ArmErrors() for _ in index.codes) for index in indexes),
            tail=table_of([], tuple(expected)),
        )

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
        found = self._after(rows, standings[:end])
        tail = self.tail.where(slice(end, None))
        return replace(found, position=int(rows.ids[-1]), visits=found.visits.kept(), tail=tail)

    def answers(self, now: datetime) -> Answers:
        """What all rows say at this moment."""
        found = self._after(self.tail, self.tail.at(now))
        return Answers(
            found.whole,
            _named(found.indexes, found.by_segment),
            found.arms,
            _named(found.arm_indexes, found.arms_by_segment),
        )

    def _after(self, rows: EvidenceTable, standings: npt.NDArray[np.int8]) -> "Running":
        """With the counts of more rows."""
        present = rows.epochs >= self.counting.since
        found = self._beside(rows, standings, present)
        if not present.all():
            rows = replace(rows, rivals=np.where(present, rows.rivals, np.int8(Rival.NONE)))
        if rows.of_baseline.any():
            own = ~rows.of_baseline
            rows, standings = rows.where(own), standings[own]
        first, visits = self.visits.meet(rows.units, rows.asked)
        again = 0
        if not first.all():
            again = int(((standings != Standing.NOT_SAMPLED) & ~first).sum())
            rows, standings = rows.where(first), standings[first]
        kinds = Kinds.of(rows, standings)
        (whole,) = tallies(kinds, np.zeros(len(rows), np.intp), 1)
        whole = together(self.whole, replace(whole, again=again))
        indexes, by_segment = [], []
        for before, counts in zip(self.indexes, self.by_segment, strict=True):
            index, cells = before.place(rows.segments[before.name])
            new = tallies(kinds, cells, len(index.codes))
            old = [*counts, *(Tally() for _ in range(len(new) - len(counts)))]
            indexes.append(index)
            by_segment.append(tuple(map(together, old, new)))
        return replace(
            found, whole=whole, visits=visits, indexes=tuple(indexes), by_segment=tuple(by_segment)
        )

    def _beside(
        self,
        rows: EvidenceTable,
        standings: npt.NDArray[np.int8],
        present: npt.NDArray[np.bool_],
    ) -> "Running":
        """With both versions' errors side by side, and in each segment."""
        if not self.counting.sides:
            return self
        arms = self.arms.after(rows, standings, present)
        if not self.counting.sides_by_segment:
            return replace(self, arms=arms)
        indexes, by_segment = [], []
        for before, counts in zip(self.arm_indexes, self.arms_by_segment, strict=True):
            index, cells = before.place(rows.segments[before.name])
            old = [*counts, *(ArmErrors() for _ in range(len(index.codes) - len(counts)))]
            for cell in np.unique(cells).tolist():
                mine = cells == cell
                old[cell] = old[cell].after(rows.where(mine), standings[mine], present[mine])
            indexes.append(index)
            by_segment.append(tuple(old))
        return replace(
            self, arms=arms, arm_indexes=tuple(indexes), arms_by_segment=tuple(by_segment)
        )


def _named(
    indexes: Sequence[SegmentIndex], counts: Sequence[Sequence[_Counts]]
) -> Mapping[str, Mapping[Segment, _Counts]]:
    return {
        index.name: dict(zip(index.codes, found, strict=True))
        for index, found in zip(indexes, counts, strict=True)
    }
