"""Follow the evidence of a stage: read what is new, and count it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.assemble import expected_segments
from registry.domain.evidence_table import EvidenceTable, table_of
from registry.domain.rollout import Rollout
from registry.domain.running import Running
from registry.ports import UnitOfWork

# A row may become visible after one with a larger number: transactions that began first can end
# last. What was written, and what was decided, this long ago is there for everyone to see.
_VISIBLE = timedelta(seconds=15)
# A row is written when its answer is there, which is this long after the request at most.
_SLOWEST = timedelta(minutes=2)
# Rows that are read at once when all have to be.
_AT_ONCE = 50_000
_LOOKS = 64


@dataclass(frozen=True, slots=True)
class Followed:
    """The counts of one stage, and how far they had come when.

    looks: when the rows up to which number were seen; rows up to it cannot appear any more
    _VISIBLE later.
    """

    rollout_id: str
    stage: str
    segments: tuple[str, ...]
    running: Running
    at: datetime
    looks: tuple[tuple[datetime, int], ...] = ()

    def complete(self, now: datetime) -> int:
        """The number up to which every row is known."""
        return max((last for at, last in self.looks if at <= now - _VISIBLE), default=0)


def follow(
    unit: UnitOfWork, rollout: Rollout, now: datetime, before: Followed | None = None
) -> Followed:
    """The counts at this moment: from those of an earlier look, or from the beginning."""
    expected = expected_segments(rollout)
    key = (rollout.id, rollout.stage.value, tuple(expected))
    if before is None or (before.rollout_id, before.stage, before.segments) != key:
        return _from_the_beginning(unit, rollout, expected, now)
    if now < before.at:  # a clock was set back: what was past due may not be
        return _from_the_beginning(unit, rollout, expected, now)
    segments = tuple(expected)
    until = max(before.complete(now), before.running.position)
    fresh = _read(unit, rollout, segments, until)
    running = before.running.take(until, _changed(unit, rollout, before, until), fresh)
    return _followed(key, running, now, until, before.looks)


def _from_the_beginning(
    unit: UnitOfWork, rollout: Rollout, expected: Mapping[str, tuple[str, ...]], now: datetime
) -> Followed:
    segments = tuple(expected)
    until = unit.evidence.last_before(rollout.id, rollout.stage, now - _VISIBLE - _SLOWEST)
    running, last, most = Running.start(expected), 0, _AT_ONCE
    while True:
        some = unit.evidence.table(rollout.id, rollout.stage, segments, after=last, most=most)
        running = running.take(last, table_of([], segments), some)
        running = running.settle(until, now - _VISIBLE)
        if len(some) < most:
            break
        last = int(some.ids[-1])
    return _followed((rollout.id, rollout.stage.value, segments), running, now, until, ())


def _followed(
    key: tuple[str, str, tuple[str, ...]],
    running: Running,
    now: datetime,
    until: int,
    looks: tuple[tuple[datetime, int], ...],
) -> Followed:
    running = running.settle(until, now - _VISIBLE)
    tail = running.tail
    last = int(tail.ids[-1]) if len(tail) else running.position
    known = (now - _VISIBLE, until)
    kept = [look for look in looks if look[0] > known[0]]
    # Enough looks to move on by, however often one looks.
    if not kept or now - kept[-1][0] >= _VISIBLE / _LOOKS:
        kept.append((now, last))
    return Followed(*key, running, now, (known, *kept))


def _changed(unit: UnitOfWork, rollout: Rollout, before: Followed, until: int) -> EvidenceTable:
    """The rows up to a number on which a verdict has come since."""
    moment = before.at - _VISIBLE  # what was due by then was final when it was seen last
    waiting = before.running.unsettled(until, moment)
    if not waiting:
        return table_of([], before.segments)
    open_ = unit.evidence.open(rollout.id, rollout.stage, moment)
    return unit.evidence.rows(waiting - open_, before.segments)


def _read(unit: UnitOfWork, rollout: Rollout, segments: Sequence[str], after: int) -> EvidenceTable:
    return unit.evidence.table(rollout.id, rollout.stage, segments, after=after)
