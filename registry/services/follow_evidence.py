"""Follow the evidence of a stage: read what is new, and count it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.assemble import counting_of
from registry.domain.evidence import VERDICT_GRACE
from registry.domain.evidence_table import EvidenceTable, table_of
from registry.domain.horizon import Look, complete, kept
from registry.domain.rollout import Rollout
from registry.domain.running import Counting, Running
from registry.ports import UnitOfWork

# A verdict says when it was given. It may be handed in VERDICT_GRACE later, and then wait twenty
# seconds in the ledger and thirty for SQLite's lock before its transaction begins; the rest is for
# clocks that differ.
_HANDED_IN = VERDICT_GRACE + timedelta(seconds=60)
# Rows that are read at once when all have to be.
_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Followed:
    """The counts of one stage at one look.

    known: the last of the looks up to whose last number this one knows every row, and every verdict
    that was given _HANDED_IN before it; None if there is none yet. looks: those that may be next.
    """

    rollout_id: str
    stage: str
    counting: Counting
    running: Running
    at: datetime
    known: Look | None = None
    looks: tuple[Look, ...] = ()

    def up_to(self, rollout: Rollout) -> int:
        """The number of a row of the rollout's stage that is counted; 0 if there is none."""
        same = (self.rollout_id, self.stage) == (rollout.id, rollout.stage.value)
        return self.known.last if same and self.known else 0

    @property
    def key(self) -> tuple[str, str, Counting]:
        """What was counted, and how; another baseline has all of it counted anew."""
        return self.rollout_id, self.stage, self.counting


def follow(
    unit: UnitOfWork, rollout: Rollout, now: datetime, before: Followed | None = None
) -> Followed:
    """The counts at this moment: from those of an earlier look, or from the beginning."""
    counting = counting_of(rollout)
    key = (rollout.id, rollout.stage.value, counting)
    if before is None or before.key != key:
        return _from_the_beginning(unit, rollout, counting, now)
    if now < before.at:  # a clock was set back: what was past due may not be
        return _from_the_beginning(unit, rollout, counting, now)
    segments, horizon = tuple(counting.segments), unit.evidence.horizon()
    until = before.known.last if before.known else 0  # what appeared since lies behind it
    fresh = unit.evidence.table(rollout.id, rollout.stage, segments, after=until)
    running = before.running.take(until, _changed(unit, rollout, before, until), fresh)
    looks = (*before.looks, Look(now, _last(running), horizon.begun))
    known = complete(looks, horizon) or before.known
    return Followed(*key, _settled(running, known), now, known, kept(looks, horizon))


def _from_the_beginning(
    unit: UnitOfWork, rollout: Rollout, counting: Counting, now: datetime
) -> Followed:
    segments, horizon = tuple(counting.segments), unit.evidence.horizon()
    look = Look(now, 0, horizon.begun)
    known = complete([look], horizon)
    running = Running.start(counting)
    while True:
        some = unit.evidence.table(
            rollout.id, rollout.stage, segments, after=look.last, most=_AT_ONCE
        )
        running = running.take(look.last, table_of([], segments), some)
        look = Look(now, _last(running), look.begun)
        known = known and look
        running = _settled(running, known)
        if len(some) < _AT_ONCE:
            break
    key = (rollout.id, rollout.stage.value, counting)
    return Followed(*key, running, now, known, kept([look], horizon))


def _settled(running: Running, known: Look | None) -> Running:
    return running.settle(known.last, known.at - _HANDED_IN) if known else running


def _last(running: Running) -> int:
    return int(running.tail.ids[-1]) if len(running.tail) else running.position


def _changed(unit: UnitOfWork, rollout: Rollout, before: Followed, until: int) -> EvidenceTable:
    """The rows up to a number on which a verdict has come since."""
    if before.known is None:
        moment = datetime.min.replace(tzinfo=before.at.tzinfo)
    else:
        moment = before.known.at - _HANDED_IN
    waiting, segments = before.running.unsettled(until, moment), tuple(before.counting.segments)
    if not waiting:
        return table_of([], segments)
    open_ = unit.evidence.open(rollout.id, rollout.stage, moment)
    return unit.evidence.rows(waiting - open_, segments)
