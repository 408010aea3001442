"""Visits: what a unit asks within some time hangs together, and its first answer stands for all.

Ten pictures of one camera in a minute are ten times the same question. A gate on a rate would take
ten answers of a unit that is always right for ten units that were right, so only the first of them
counts; the next one that does comes when the time of the visit is over. Which answers count follows
from who asked when, and never from what was answered or found.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

# Rows come nearly in the order of their times; who may be asked for still is kept so much longer.
_SLACK_SECONDS = 3_600.0
_MANY = 2_000  # answers from which on it pays to sort them
_MOST_JUMPS = 64


@dataclass(frozen=True, slots=True)
class Visits:
    """Of each unit, when its last visit began, in millionths of a second since 1970.

    seconds: how long a visit lasts; 0 where every answer counts. fresh: those that are not yet
    among `began`.
    """

    seconds: float = 0.0
    began: Mapping[int, int] = field(default_factory=dict)
    fresh: Mapping[int, int] = field(default_factory=dict)

    def meet(
        self, units: npt.NDArray[np.int64], asked: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.bool_], "Visits"]:
        """Which answers, in the order of the predictions, are the first of a visit.

        units: a number for who asked, 0 where nobody said; those count one by one.

        >>> Visits(60).meet(np.array([7, 7, 0, 0, 7]), np.array([0.0, 59, 59, 59, 60]))[0].tolist()
        [True, False, True, True, True]
        """
        if not self.seconds or not len(units):
            return np.ones(len(units), np.bool_), self
        moments, lasts = np.round(asked * 1e6).astype(np.int64), round(self.seconds * 1e6)
        first = _jump(units, moments, lasts, self._last) if len(units) > _MANY else None
        if first is None:
            first = _step(units, moments, lasts, self._last)
        counted = np.flatnonzero(first & (units != 0))
        news = zip(units[counted].tolist(), moments[counted].tolist(), strict=True)
        return first, replace(self, fresh={**self.fresh, **dict(news)})

    def _last(self, unit: int) -> int | None:
        return self.fresh.get(unit, self.began.get(unit))

    def kept(self) -> "Visits":
        """The same, without visits that are long over."""
        if not self.fresh:
            return self
        since = max(self.fresh.values()) - (2 * self.seconds + _SLACK_SECONDS) * 1e6
        began = {**self.began, **self.fresh}
        return Visits(self.seconds, {u: at for u, at in began.items() if at > since})


Last = Callable[[int], int | None]


def _step(
    units: npt.NDArray[np.int64], moments: npt.NDArray[np.int64], lasts: int, last: Last
) -> npt.NDArray[np.bool_]:
    """One answer after the other."""
    first, fresh = np.ones(len(units), np.bool_), dict[int, int]()
    for place, (unit, moment) in enumerate(zip(units.tolist(), moments.tolist(), strict=True)):
        before = fresh.get(unit, last(unit))
        if unit and before is not None and moment - before < lasts:
            first[place] = False
        else:
            fresh[unit] = moment
    return first


def _jump(
    units: npt.NDArray[np.int64], moments: npt.NDArray[np.int64], lasts: int, last: Last
) -> npt.NDArray[np.bool_] | None:
    """The same for all units at once, from visit to visit; None where it does not pay.

    All answers stand on one line, unit after unit, so that one search finds for every unit its
    first answer after a time.
    """
    order = np.argsort(units, kind="stable")
    who, when = units[order], moments[order] - moments.min()
    starts = np.flatnonzero(np.diff(who, prepend=who[0] - 1))
    ends = np.append(starts[1:], len(who))
    span = int(when.max()) + lasts + 1
    line = np.repeat(np.arange(len(starts)), ends - starts) * span + when
    if (np.diff(line) < 0).any() or len(starts) > 2**62 // span:
        return None  # a unit's answers do not come in the order of their times
    first, earliest = np.zeros(len(units), np.bool_), int(moments.min())
    before = (last(unit) for unit in who[starts].tolist())
    open_ = np.array([0 if b is None else max(0, b + lasts - earliest) for b in before], np.int64)
    group = np.arange(len(starts))
    for _ in range(_MOST_JUMPS):
        at = np.searchsorted(line, group * span + np.minimum(open_, span - 1))
        found = at < ends[group]
        if not found.any():
            first[units == 0] = True
            return first
        group, at = group[found], at[found]
        first[order[at]] = True
        open_ = when[at] + lasts
    return None
