"""Exposures: the requests of a rollout whose version was drawn by lot, and how they went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import reduce

import numpy as np
import numpy.typing as npt

from registry.domain.evidence import Arm
from registry.domain.segments import Values
from registry.domain.stages import Stage


@dataclass(frozen=True, slots=True)
class Exposure:
    """One request of a unit that was drawn for one arm; in limited scope that is the candidate's.

    epoch: the rollout's generation, so each change of weight, pause or resumption begins one.
    share: the part of the units that the candidate answered then. unit: a salted hash.
    action: the label that the caller was told, or will be once a person approves; None if no label
    was. failed: an error or a time-out of the version. answer_ms: how long the version took; None
    if none was asked, or it gave no answer. segments: its values of the attributes that a gate
    looks at one by one; None where none does.
    """

    rollout_id: str
    stage: Stage
    step: int
    epoch: int
    share: float
    arm: Arm
    unit: int
    action: str | None
    failed: bool
    answer_ms: float | None
    created_at: datetime
    segments: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExposureTable:
    """n exposures as columns, in the order in which they were written.

    numbers: rising. epochs: the rollout's generation then. answer_ms: NaN where there is none.
    created: seconds since 1970, or minus infinity for what happened long ago. segments: per
    attribute the values, None where absent.
    """

    numbers: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]
    candidate: npt.NDArray[np.bool_]
    shares: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int32]
    failed: npt.NDArray[np.bool_]
    answer_ms: npt.NDArray[np.float64]
    created: npt.NDArray[np.float64]
    epochs: npt.NDArray[np.int32]
    actions: Sequence[str | None]
    segments: Mapping[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.units)

    def part(self, start: int, end: int) -> "ExposureTable":
        """The rows from one position up to another."""
        return self._pick(slice(start, end), self.actions[start:end])

    def where(self, chosen: npt.NDArray[np.bool_]) -> "ExposureTable":
        """The chosen rows; chosen: (n,)."""
        rows = np.flatnonzero(chosen)
        return self._pick(rows, [self.actions[row] for row in rows.tolist()])

    def _pick(
        self, rows: slice | npt.NDArray[np.intp], actions: Sequence[str | None]
    ) -> "ExposureTable":
        return ExposureTable(
            self.numbers[rows],
            self.units[rows],
            self.candidate[rows],
            self.shares[rows],
            self.steps[rows],
            self.failed[rows],
            self.answer_ms[rows],
            self.created[rows],
            self.epochs[rows],
            actions,
            {name: values.where(rows) for name, values in self.segments.items()},
        )


def joined(tables: Sequence[ExposureTable]) -> ExposureTable:
    """The rows of one table after those of another; there is at least one."""
    if len(tables) == 1:
        return tables[0]
    columns = (np.concatenate([getattr(one, name) for one in tables]) for name in _ARRAYS)
    segments = {
        name: reduce(Values.followed_by, (one.segments[name] for one in tables))
        for name in tables[0].segments
    }
    actions = [action for one in tables for action in one.actions]
    return ExposureTable(
        **dict(zip(_ARRAYS, columns, strict=True)), actions=actions, segments=segments
    )


_ARRAYS = tuple(f.name for f in fields(ExposureTable) if f.name not in ("actions", "segments"))
