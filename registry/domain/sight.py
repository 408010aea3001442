"""What a look at the gates had before it, so that somebody else can look at the same again.

Harm is acted on at once, and never waits until all evidence has been read. What nothing can change
any more needs only the number up to which that is so; the rest is written down as it stood.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from registry.domain.evidence import DriftMeasurement, ReviewerTally
from registry.domain.exposure import ExposureTable

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Rows by their numbers: all up to `settled`, where none can appear any more, and others."""

    settled: int = 0
    others: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    def within(self, numbers: Integers) -> npt.NDArray[np.bool_]:
        """Which of these rows are among them."""
        return np.asarray((numbers <= self.settled) | np.isin(numbers, self.others))


@dataclass(frozen=True, slots=True)
class Sight:
    """What the gates of a stage looked at, at a moment.

    answers: which there were. standings, rivals, others: of those that were not settled, each (n,).
    exposures: which there were; None if no gate looks at any.
    """

    at: datetime
    answers: Numbers
    standings: npt.NDArray[np.int8]
    rivals: npt.NDArray[np.int8]
    others: npt.NDArray[np.int8]
    drift: DriftMeasurement | None
    reviewers: ReviewerTally
    exposures: Numbers | None = None

    def seen(self, table: ExposureTable) -> npt.NDArray[np.bool_]:
        """Which of the exposures of the stage it saw."""
        if self.exposures is None:
            return np.zeros(len(table), np.bool_)
        return self.exposures.within(table.numbers)
