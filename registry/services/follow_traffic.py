"""Keep running counts of a stage's exposures, so that a look costs what came in since the last."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from registry.domain.rollout import Rollout
from registry.domain.traffic import Traffic, count, latency_gates, no_traffic
from registry.ports import Exposures

# Only what is counted as "recent" needs its time; replicas' clocks may differ.
_RECENT = timedelta(minutes=5)
# Rows that are read at once when all have to be.
_AT_ONCE = 50_000
# A number that is missing for this long belongs to a transaction that was rolled back.
_LOST = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class _Followed:
    """counts: of all rows up to one below which nothing can appear any more.

    gap: up to which number rows were seen while an earlier one was missing, and since when.
    """

    rollout_id: str
    place: tuple[object, ...]
    counts: Traffic
    gap: tuple[int, datetime] | None = None


class TrafficMemory:
    """Counts of each model's candidate; rows are never changed, so counts are never wrong."""

    def __init__(self) -> None:
        self._followed: dict[tuple[str, bool], _Followed] = {}

    def traffic(self, exposures: Exposures, rollout: Rollout, now: datetime) -> Traffic:
        """The counts of the rollout's present stage, with all that is written by now.

        Replicas write at the same time, so a row may appear after others with higher numbers. Rows
        behind a missing number are counted for this look and read again at the next.
        """
        followed = self._start(rollout)
        base = followed.counts
        head = _counted(exposures, rollout, base, now)
        if head is base:
            return base
        whole = head.cursor - base.cursor == exposures.written(base.cursor, head.cursor)
        if whole:
            followed = replace(followed, counts=head, gap=None)
        elif followed.gap is None:
            followed = replace(followed, gap=(head.cursor, now))
        elif now - followed.gap[1] >= _LOST:
            known = _counted(exposures, rollout, base, now, followed.gap[0])
            followed = replace(followed, counts=known, gap=None)
        self._followed[_which(rollout)] = followed
        return head

    def _start(self, rollout: Rollout) -> _Followed:
        latencies = latency_gates(rollout.stage_plan.gates)
        place = (rollout.stage, latencies)
        followed = self._followed.get(_which(rollout))
        if followed and (followed.rollout_id, followed.place) == (rollout.id, place):
            return followed
        return _Followed(rollout.id, place, no_traffic(latencies))


def _counted(
    exposures: Exposures,
    rollout: Rollout,
    counts: Traffic,
    now: datetime,
    up_to: int | None = None,
) -> Traffic:
    """The counts with the rows that follow, all or those up to a number."""
    while True:
        rows = exposures.after(
            rollout.id, rollout.stage, counts.cursor, now - _RECENT, most=_AT_ONCE
        )
        end = len(rows)
        if up_to is not None:
            end = int(np.searchsorted(rows.numbers, up_to, side="right"))
        counts = count(counts, rows.part(0, end))
        if end < _AT_ONCE:
            return counts


def _which(rollout: Rollout) -> tuple[str, bool]:
    """A candidate, or the live version that is still watched."""
    return rollout.model, rollout.active
