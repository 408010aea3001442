"""A stage's answers as columns: what error rates are counted from, for 100,000 rows at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.domain.evidence import Arm, EvidenceRow, Second, Verdict
from registry.domain.segments import Values

NEVER = float("inf")
Integers = npt.NDArray[np.int64]


class Standing(IntEnum):
    """Where the verdict on one answer stands at one moment."""

    NOT_SAMPLED = 0
    CORRECT = 1
    ERROR = 2
    PENDING = 3
    OVERDUE = 4


class Rival(IntEnum):
    """What the same verdict says about the baseline's answer to the same request."""

    NONE = 0  # the baseline did not answer it
    CORRECT = 1
    ERROR = 2
    UNKNOWN = 3  # it did, and nobody has said in time what was right


class Other(IntEnum):
    """What a second reviewer said beside the first."""

    NONE = 0  # nobody was to be asked
    AGREED = 1
    DISAGREED = 2
    UNKNOWN = 3  # two were, and there is no verdict of two in time


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """n answers in prediction order, each column of shape (n,).

    ids: the rows' growing numbers. standings: of Standing, OVERDUE only where a verdict came too
    late. rivals: of Rival. others: of Other. dues: until when a PENDING verdict counts, in seconds
    since 1970; infinite where there is no end. chances: each answer's probability of review. steps:
    the step of gradual in which it was given. of_baseline: answers of the baseline that were drawn
    to compare with. drawn: whether chance alone, without any flag, had this answer reviewed. units:
    a number for the unit that asked, 0 if none did. epochs: the rollout's generation then. asked:
    when, in seconds since 1970. segments: per attribute the values, None where absent.
    """

    ids: Integers
    standings: npt.NDArray[np.int8]
    rivals: npt.NDArray[np.int8]
    others: npt.NDArray[np.int8]
    dues: npt.NDArray[np.float64]
    chances: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int32]
    of_baseline: npt.NDArray[np.bool_]
    drawn: npt.NDArray[np.bool_]
    units: Integers
    epochs: npt.NDArray[np.int32]
    asked: npt.NDArray[np.float64]
    segments: Mapping[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, now: datetime) -> npt.NDArray[np.int8]:
        """The standings at a moment: what is past due by then is OVERDUE."""
        late = (self.standings == Standing.PENDING) & (self.dues <= now.timestamp())
        return np.where(late, np.int8(Standing.OVERDUE), self.standings)

    def where(self, chosen: Any) -> "EvidenceTable":
        """The rows at these positions."""
        parts = {name: values.where(chosen) for name, values in self.segments.items()}
        return _table((getattr(self, name)[chosen] for name in _ARRAYS), parts)

    def followed_by(self, other: "EvidenceTable") -> "EvidenceTable":
        """These rows, then the others."""
        if not len(self) or not len(other):
            return self if len(self) else other
        columns = (np.concatenate([getattr(t, name) for t in (self, other)]) for name in _ARRAYS)
        parts = {n: values.followed_by(other.segments[n]) for n, values in self.segments.items()}
        return _table(columns, parts)

    def replacing(self, others: "EvidenceTable") -> "EvidenceTable":
        """The same rows, with what has become of some of them; those are in order, too."""
        if not len(others):
            return self
        at = np.searchsorted(self.ids, others.ids)
        columns = [getattr(self, name).copy() for name in _ARRAYS]
        for column, name in zip(columns, _ARRAYS, strict=True):
            column[at] = getattr(others, name)
        return _table(columns, self.segments)


def table_of_columns(
    columns: Sequence[Sequence[Any]], segments: Mapping[str, Sequence[str | None]]
) -> EvidenceTable:
    """The table of these columns, in the order of the fields; a due date of None is never."""
    dues = [NEVER if due is None else due.timestamp() for due in columns[4]]
    plain = [*columns[:4], dues, *columns[5:-1], [moment.timestamp() for moment in columns[-1]]]
    types = (
        np.int64, np.int8, np.int8, np.int8, np.float64, np.float64, np.int32, bool, bool,
        np.int64, np.int32, np.float64,
    )  # fmt: skip
    values = {name: Values.of(column) for name, column in segments.items()}
    return _table(map(np.array, plain, types), values)


def table_of(
    rows: Iterable[EvidenceRow], segments: Sequence[str] = (), first: int = 1
) -> EvidenceTable:
    """Rows as columns; the database does the same in SQL. first: the number of the first row."""
    rows = tuple(rows)
    columns = [
        range(first, first + len(rows)),
        [_standing(row) for row in rows],
        [_rival(row) for row in rows],
        [_other(row) for row in rows],
        [row.due_at if _standing(row) is Standing.PENDING else None for row in rows],
        [row.inclusion_probability for row in rows],
        [row.step for row in rows],
        [row.arm is Arm.BASELINE for row in rows],
        [row.drawn for row in rows],
        [row.unit or 0 for row in rows],
        [row.epoch for row in rows],
        [row.created_at for row in rows],
    ]
    return table_of_columns(
        columns, {name: [row.segments.get(name) for row in rows] for name in segments}
    )


def _standing(row: EvidenceRow) -> Standing:
    if not row.sampled:
        return Standing.NOT_SAMPLED
    if row.verdict is None:
        return Standing.PENDING
    if _too_late(row):
        return Standing.OVERDUE
    return Standing.CORRECT if row.verdict is Verdict.CORRECT else Standing.ERROR


def _rival(row: EvidenceRow) -> Rival:
    if row.baseline_label is None:
        return Rival.NONE
    # Without a reviewer the verdict says that the candidate failed, and not what was right.
    if not row.sampled or row.verdict is None or row.reviewer is None or _too_late(row):
        return Rival.UNKNOWN
    return Rival.CORRECT if row.human_label == row.baseline_label else Rival.ERROR


def _other(row: EvidenceRow) -> Other:
    if row.second is None:
        return Other.NONE
    # It changes with the verdict alone, so that whoever follows verdicts has missed nothing.
    if row.verdict is None or _too_late(row) or row.second is Second.WANTED:
        return Other.UNKNOWN
    return Other.AGREED if row.second is Second.AGREED else Other.DISAGREED


def _too_late(row: EvidenceRow) -> bool:
    """A verdict that came past its due time stays overdue, or what was counted would change."""
    return row.due_at is not None and row.decided_at is not None and row.decided_at >= row.due_at


def _table(columns: Iterable[npt.NDArray[Any]], segments: Mapping[str, Values]) -> EvidenceTable:
    return EvidenceTable(**dict(zip(_ARRAYS, columns, strict=True)), segments=segments)


_ARRAYS = tuple(f.name for f in fields(EvidenceTable) if f.name != "segments")
