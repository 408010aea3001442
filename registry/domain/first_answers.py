"""The candidate's first answers of visits: what rates of its own are counted from.

Shares of units that ever met something grow with time, so they say little of a version that answers
for a month. Shares of visits do not: each counts by its first answer.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from registry.domain.exposure import ExposureTable
from registry.domain.visits import Visits


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """How many first answers there were, how many failed, and how many took longer than each limit.

    limits: in milliseconds, of the gates that ask for one; slow: answers above each of them, failed
    ones included.
    """

    visits: Visits = field(default_factory=Visits)
    limits: tuple[float, ...] = ()
    answers: int = 0
    failed: int = 0
    slow: tuple[int, ...] = ()

    def above(self, limit: float) -> int:
        """How many took longer than one of the limits."""
        return self.slow[self.limits.index(limit)]


def no_answers(visit_seconds: float, limits: tuple[float, ...]) -> FirstAnswers:
    """Nothing counted yet."""
    return FirstAnswers(Visits(visit_seconds), limits, slow=(0,) * len(limits))


def see(first: FirstAnswers, rows: ExposureTable) -> tuple[FirstAnswers, npt.NDArray[np.intp]]:
    """The counts after more rows, and where first answers are.

    A request of which no version was asked has neither failed nor taken any time; it counts for
    nothing.
    """
    at = np.flatnonzero(rows.candidate & (rows.failed | ~np.isnan(rows.answer_ms)))
    fresh, visits = first.visits.meet(rows.units[at], rows.created[at])
    at = at[fresh]
    failed = rows.failed[at]
    times = np.where(failed, np.inf, rows.answer_ms[at])
    return (
        replace(
            first,
            visits=visits.kept(),
            answers=first.answers + len(at),
            failed=first.failed + int(failed.sum()),
            slow=tuple(
                slow + int((times > limit).sum())
                for slow, limit in zip(first.slow, first.limits, strict=True)
            ),
        ),
        at,
    )
