"""How far rows that replicas write at the same time are known to be all there.

A row is numbered when it is written and seen when its transaction has ended, so one with a smaller
number may appear after one with a larger, however much later. No length of time is long enough to
wait. But whoever has a number has begun to write: once all have ended who had begun by the time of
a look, no row up to the last one of that look can appear any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

# What is kept of looks while somebody who began before them does not end.
_LOOKS = 64


@dataclass(frozen=True, slots=True)
class Horizon:
    """Which transactions a look can count on.

    ended: all that began before this one have ended, and the look sees what they wrote. begun: a
    number that is larger than those of all that had begun by then.
    """

    ended: int
    begun: int


# Where one transaction writes at a time, rows appear in the order of their numbers.
IN_ORDER = Horizon(0, 0)


@dataclass(frozen=True, slots=True)
class Look:
    """When somebody looked, the last number that they saw, and who had begun by then."""

    at: datetime
    last: int
    begun: int


def complete(looks: Sequence[Look], horizon: Horizon) -> Look | None:
    """The last look up to whose last number nothing can appear any more."""
    return next((look for look in reversed(looks) if look.begun <= horizon.ended), None)


def kept(looks: Sequence[Look], horizon: Horizon) -> tuple[Look, ...]:
    """The looks that may become complete later, and few of them however long that takes."""
    open_ = tuple(look for look in looks if look.begun > horizon.ended)
    return open_ if len(open_) <= _LOOKS else (*open_[:-1:2], open_[-1])
