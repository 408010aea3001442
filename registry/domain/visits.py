"""Visits: what a unit asks within some time hangs together, and its first answer stands for all.

Ten pictures of one camera in a minute are ten times the same question. A gate on a rate would take
ten answers of a unit that is always right for ten units that were right, so only the first of them
counts; the next one that does comes when the time of the visit is over. Which answers count follows
from who asked when, and never from what was answered or found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

# Rows come nearly in the order of their times; who may be asked for still is kept so much longer.
_SLACK_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Visits:
    """Of each unit, when its last visit began, in seconds since 1970.

    seconds: how long a visit lasts; 0 where every answer counts. fresh: those that are not yet
    among `began`.
    """

    seconds: float = 0.0
    began: Mapping[int, float] = field(default_factory=dict)
    fresh: Mapping[int, float] = field(default_factory=dict)

    def meet(
        self, units: npt.NDArray[np.int64], asked: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.bool_], "Visits"]:
        """Which answers, in the order of the predictions, are the first of a visit.

        units: a number for who asked, 0 where nobody said; those count one by one.

        >>> Visits(60).meet(np.array([7, 7, 0, 0, 7]), np.array([0.0, 59, 59, 59, 60]))[0].tolist()
        [True, False, True, True, True]
        """
        first = np.ones(len(units), np.bool_)
        if not self.seconds:
            return first, self
        fresh = dict(self.fresh)
        for place, (unit, moment) in enumerate(zip(units.tolist(), asked.tolist(), strict=True)):
            last = fresh.get(unit, self.began.get(unit))
            if unit and last is not None and moment - last < self.seconds:
                first[place] = False
            else:
                fresh[unit] = moment
        return first, replace(self, fresh=fresh)

    def kept(self) -> "Visits":
        """The same, without visits that are long over."""
        if not self.fresh:
            return self
        since = max(self.fresh.values()) - 2 * self.seconds - _SLACK_SECONDS
        began = {**self.began, **self.fresh}
        return Visits(self.seconds, {u: at for u, at in began.items() if at > since})
