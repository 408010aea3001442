"""Keep running counts of a stage's exposures, so that a look costs what came in since the last."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from registry.domain.assemble import traffic_of
from registry.domain.horizon import Look, complete, kept
from registry.domain.rollout import Rollout
from registry.domain.segmented_traffic import SegmentedTraffic
from registry.domain.sight import Numbers
from registry.ports import Exposures

# Only what is counted as "recent" needs its time; replicas' clocks may differ.
_RECENT = timedelta(minutes=5)
# Visits are told apart by times, of whatever age.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
# Rows that are read at once when all have to be.
_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class _Followed:
    """counts: of all rows up to one below which nothing can appear any more.

    fresh: the numbers of the rows behind it that the last look saw. looks: those that saw rows
    behind it and may become complete.
    """

    rollout_id: str
    place: tuple[object, ...]
    counts: SegmentedTraffic
    fresh: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    looks: tuple[Look, ...] = ()


class TrafficMemory:
    """Counts of each model's candidate; rows are never changed, so counts are never wrong."""

    def __init__(self) -> None:
        self._followed: dict[tuple[str, bool], _Followed] = {}

    def traffic(self, exposures: Exposures, rollout: Rollout, now: datetime) -> SegmentedTraffic:
        """The counts of the rollout's present stage, with all that is written by now.

        Replicas write at the same time, so a row may appear after others with higher numbers.
        Where that can be, rows are counted for this look and read again at the next.
        """
        followed, horizon = self._start(rollout), exposures.horizon()
        known = complete(followed.looks, horizon)
        up_to = known.last if known else 0
        base, head, fresh = _counted(exposures, rollout, followed.counts, now, up_to)
        look = Look(now, head.cursor, horizon.begun)
        if complete([look], horizon):
            base, fresh = head, fresh[:0]
        looks = kept((*followed.looks, look), horizon)
        self._followed[_which(rollout)] = replace(followed, counts=base, fresh=fresh, looks=looks)
        return head

    def numbers(self, rollout: Rollout) -> Numbers:
        """Which rows the last look at the rollout's present stage has counted."""
        followed = self._start(rollout)
        return Numbers(followed.counts.cursor, followed.fresh)

    def _start(self, rollout: Rollout) -> _Followed:
        # The gates of a stage never change, and say what is counted of it.
        place = (rollout.stage, rollout.baseline_generation)
        followed = self._followed.get(_which(rollout))
        if followed and (followed.rollout_id, followed.place) == (rollout.id, place):
            return followed
        return _Followed(rollout.id, place, traffic_of(rollout))


def _counted(
    exposures: Exposures, rollout: Rollout, counts: SegmentedTraffic, now: datetime, up_to: int
) -> tuple[SegmentedTraffic, SegmentedTraffic, npt.NDArray[np.int64]]:
    """The counts with the rows that follow: those up to a number, and all; which are behind it."""
    base, head, fresh = counts, counts, [np.empty(0, np.int64)]
    names = tuple(index.name for index in counts.indexes)
    recent = now - _RECENT if counts.whole.first is None else _LONG_AGO
    while True:
        rows = exposures.after(rollout.id, rollout.stage, head.cursor, recent, _AT_ONCE, names)
        end = int(np.searchsorted(rows.numbers, up_to, side="right"))
        if end:
            base = head = base.after(rows.part(0, end))
        head = head.after(rows.part(end, len(rows)))
        fresh.append(rows.numbers[end:])
        if len(rows) < _AT_ONCE:
            return base, head, np.concatenate(fresh)


def _which(rollout: Rollout) -> tuple[str, bool]:
    """A candidate, or the live version that is still watched."""
    return rollout.model, rollout.active
