"""The review queue in the database: leases with a fencing epoch.

A new claim raises the epoch, and nothing else but an undo does. So whoever answers with the present
epoch answers before anybody else has taken the item, even if the lease has run out meanwhile.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry.domain.errors import NotFound
from registry.domain.evidence import CLOCKS_DIFFER
from serving.adapters import review_counts
from serving.adapters.review_lanes import lane_for, lease, lease_first, members, open_lanes
from serving.adapters.review_rows import item_in, item_out, slot_in
from serving.adapters.review_tables import review_item as t
from serving.adapters.review_tables import review_slot as s
from serving.adapters.rows import label_out
from serving.domain.prediction import Label
from serving.domain.review import (
    LONGEST_WINDOW,
    Item,
    ItemState,
    Presentation,
    Queue,
    Slot,
    SlotState,
    Source,
    Task,
)

# Whoever has taken one of these and nobody after them may still answer it.
_ANSWERABLE = (SlotState.READY.value, SlotState.LEASED.value, SlotState.SNOOZED.value)
_TAKEN = (SlotState.LEASED.value, SlotState.SNOOZED.value)
_REAPED_AT_ONCE = 50
_GOLD_AT_ONCE = 20
OPEN = ItemState.OPEN
_KNOWN = (Source.AGREED.value, Source.ADJUDICATED.value)


class SqlReviewQueue:
    """Implements serving.ports.ReviewQueue."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, item: Item, excluded: frozenset[str] = frozenset()) -> None:
        """Put an item in the queue, out of the reach of these people."""
        self._connection.execute(sa.insert(t), [item_out(item)])
        self._open(item, 1, item.queue, excluded, 0)

    def get(self, item_id: str) -> Task:
        """One item with its newest slot; NotFound if there is none."""
        row = self._connection.execute(_NEWEST_OF_ITEM, {"item": item_id}).first()
        if row is None:
            raise NotFound(f"There is no review item {item_id!r}.")
        return _task(row)

    def of_prediction(self, prediction_id: str) -> Task | None:
        """The item about a request; gold items are about none."""
        return self._first(t.c.prediction_id == prediction_id, t.c.gold_of.is_(None))

    def find(
        self, *, state: str | None, model: str | None, limit: int, version: int | None = None
    ) -> tuple[Task, ...]:
        """Items in a state: those that wait in the order of their queue, others the last first."""
        query = _tasks().limit(limit)
        if model is not None:
            query = query.where(t.c.model == model)
        if version is not None:
            query = query.where(t.c.version == version)
        if state in set(SlotState) - {SlotState.CANCELLED}:
            query = query.where(s.c.state == state).order_by(s.c.sort_key, s.c.id)
        else:
            query = query.where(_newest()).order_by(t.c.closes_at.desc(), t.c.id.desc())
            query = query if state is None else query.where(t.c.state == state)
        return tuple(_task(row) for row in self._connection.execute(query))

    def held_by(
        self, reviewer: str, model: str | None, now: datetime, besides: str | None = None
    ) -> Task | None:
        """The item that a reviewer has a live lease on, other than `besides`."""
        query = _held_by(any_model=model is None, any_item=besides is None)
        values = {"reviewer": reviewer, "at": now, "of_model": model, "besides": besides}
        row = self._connection.execute(query, values).first()
        return None if row is None else _task(row)

    def claim(
        self, reviewer: str, model: str | None, queue: Queue, now: datetime, until: datetime
    ) -> Task | None:
        """Lease the first slot of a queue that is free; no two reviewers get the same one."""
        slot_id = lease_first(self._connection, reviewer, model, queue, now, until)
        return None if slot_id is None else self._of_slot(slot_id)

    def take(self, task: Task, reviewer: str, now: datetime, until: datetime) -> Task | None:
        """Lease this very slot, if it is free or already this reviewer's."""
        mine = sa.and_(s.c.state == SlotState.LEASED, s.c.holder == reviewer)
        free = sa.or_(s.c.state.in_((SlotState.READY.value, SlotState.SNOOZED.value)), mine)
        slot = sa.select(s.c.id).where(s.c.id == task.slot.id, free).with_for_update()
        found = self._connection.execute(slot).scalar()
        return None if found is None else self._lease(found, reviewer, now, until)

    def held_like(self, item: Item, reviewer: str, now: datetime, limit: int) -> tuple[Task, ...]:
        """The other items of the same likeness that a reviewer has a live lease on."""
        mine = (
            t.c.likeness == item.likeness, t.c.state == OPEN, t.c.id != item.id,
            s.c.state == SlotState.LEASED, s.c.holder == reviewer, s.c.free_at > now,
        )  # fmt: skip
        query = _tasks().where(*mine).order_by(s.c.sort_key, s.c.id).limit(limit)
        return tuple(_task(row) for row in self._connection.execute(query))

    def claim_like(
        self, item: Item, reviewer: str, now: datetime, until: datetime, limit: int
    ) -> tuple[Task, ...]:
        """Lease more items of the same likeness."""
        lanes = open_lanes(any_model=False)
        query = sa.select(s.c.id).join(t, t.c.id == s.c.item_id)
        query = query.where(
            t.c.likeness == item.likeness, t.c.state == ItemState.OPEN,
            s.c.state == SlotState.READY, s.c.lane_id.in_(sa.select(lanes.c.id)),
        )  # fmt: skip
        query = query.order_by(s.c.sort_key, s.c.id).limit(limit)
        query = query.with_for_update(skip_locked=True, of=s)
        values = {"reviewer": reviewer, "of_queue": Queue.WORK.value, "of_model": item.model}
        found = self._connection.execute(query, values).scalars().all()
        return tuple(self._lease(slot_id, reviewer, now, until) for slot_id in found)

    def reap(self, now: datetime) -> None:
        """Leases and snoozes that have run out become free.

        Holder and epoch stay, so an answer that is late still counts until someone else has taken
        the item. What was claimed well after now was claimed before the clock was set back, and
        would run out as much later.
        """
        when = {"now": now, "ahead": now + CLOCKS_DIFFER}
        ids = self._connection.execute(_RUN_OUT, when).scalars().all()
        if ids:
            ready = sa.update(s).where(s.c.id.in_(ids)).values(state=SlotState.READY, free_at=None)
            self._connection.execute(ready)

    def present(self, task: Task, presentation: Presentation) -> Task:
        """Show an item otherwise than it was drawn for; only before anybody has seen it."""
        item = replace(task.item, presentation=presentation)
        values = {"presentation": presentation, "likeness": item.likeness}
        self._connection.execute(sa.update(t).where(t.c.id == item.id).values(values))
        return Task(item, task.slot)

    def keep(
        self, item_id: str, reviewer: str, epoch: int, state: SlotState, until: datetime | None
    ) -> bool:
        """Lease longer, snooze or free a slot, if nobody else has taken it."""
        return self._move(item_id, reviewer, epoch, state=state, free_at=until) is not None

    def finish(self, item_id: str, reviewer: str, epoch: int) -> Slot | None:
        """Close a slot, if nobody else has taken it since this epoch."""
        mine = {"item": item_id, "reviewer": reviewer, "at_epoch": epoch}
        row = self._connection.execute(_FINISH, mine).first()
        return None if row is None else slot_in(row)

    def pass_on(self, task: Task, reviewer: str, epoch: int, queue: Queue) -> bool:
        """Give a slot to others in a queue, and never again to this reviewer."""
        closed = self._closed_for(task.slot) | {reviewer}
        lane_id = lane_for(self._connection, queue, task.item.model, closed)
        free = {"state": SlotState.READY, "holder": None, "free_at": None}
        return (
            self._move(task.item.id, reviewer, epoch, lane_id=lane_id, queue=queue, **free)
            is not None
        )

    def shut_out(self, task: Task, reviewer: str) -> None:
        """Never offer an item to this reviewer again; they have said what they think of it."""
        slot = task.slot
        closed = self._closed_for(slot) | {reviewer}
        lane_id = lane_for(self._connection, slot.queue, task.item.model, closed)
        self._connection.execute(sa.update(s).where(s.c.id == slot.id).values(lane_id=lane_id))

    def answered(
        self, slot: Slot, decision_id: int, closes_at: datetime, *, informed: bool
    ) -> None:
        """Remember the current decision of a slot, and until when it can be undone."""
        new = {"slot": slot.id, "decision": decision_id, "now_informed": informed}
        self._connection.execute(_ANSWERED, new)
        self._connection.execute(_TO_CLOSING, {"item": slot.item_id, "end": closes_at})

    def revise(self, item_id: str, now: datetime, closes_at: datetime) -> bool:
        """Move the end of an item's window, if it is still open."""
        changed = self._connection.execute(_closing(item_id, now).values(closes_at=closes_at))
        return changed.rowcount == 1

    def reopen(self, task: Task, now: datetime, until: datetime) -> bool:
        """Take an answer back and lease the slot to its holder again, while the window is open."""
        back = _closing(task.item.id, now).values(state=ItemState.OPEN, closes_at=None)
        if self._connection.execute(back).rowcount != 1:
            return False
        leased = {"state": SlotState.LEASED, "free_at": until, "decision_id": None}
        slot = sa.update(s).where(s.c.id == task.slot.id)
        self._connection.execute(slot.values(epoch=s.c.epoch + 1, claimed_at=now, **leased))
        return True

    def to_close(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Items whose window is over, or as far off as none is unless the clock was set back."""
        when = {"now": now, "ahead": now + LONGEST_WINDOW + CLOCKS_DIFFER}
        return tuple(self._connection.execute(_OVER, {**when, "most": limit}).scalars())

    def ask_another(self, task: Task, queue: Queue) -> bool:
        """Open a slot for another opinion, by somebody who has not seen the item."""
        back = _in_state(task.item.id, ItemState.CLOSING)
        changed = self._connection.execute(back.values(state=ItemState.OPEN, closes_at=None))
        if changed.rowcount != 1:
            return False
        seen = self._closed_for(task.slot) | {task.slot.holder or ""}
        number, epoch = task.slot.number + 1, task.slot.epoch
        self._open(task.item, number, queue, seen, epoch, task.slot.sort_key)
        return True

    def close(self, item_id: str, outcome: Label, source: Source, now: datetime) -> bool:
        """Make an outcome final; once."""
        final = {"item": item_id, "said": label_out(outcome), "rests_on": source, "now": now}
        return self._connection.execute(_CLOSE, final).rowcount == 1

    def put_last(self, task: Task, sort_key: float) -> None:
        """Nobody waits for it any more: it comes after everything that somebody waits for."""
        still = (s.c.id == task.slot.id, s.c.state.in_(_ANSWERABLE))
        self._connection.execute(sa.update(s).where(*still).values(sort_key=sort_key))

    def cancel(self, task: Task, now: datetime) -> None:
        """Take an item out of the queue."""
        still = (s.c.id == task.slot.id, s.c.state.in_(_ANSWERABLE))
        self._connection.execute(sa.update(s).where(*still).values(state=SlotState.CANCELLED))
        gone = _in_state(task.item.id, ItemState.OPEN, ItemState.CLOSING)
        self._connection.execute(gone.values(state=ItemState.CANCELLED, decided_at=now))

    def excluded(self, task: Task) -> frozenset[str]:
        """Who has had a say in an item, and may not be asked again."""
        closed = members(self._connection, task.slot.lane_id)
        said = task.slot.state is SlotState.DONE and task.slot.holder
        return closed | {task.slot.holder} if said else closed  # type: ignore[arg-type]

    def gold_source(self, model: str) -> Task | None:
        """The newest item whose truth is known and that was not repeated; none if many wait."""
        waiting = sa.select(sa.func.count()).where(t.c.gold_of.is_not(None), t.c.state == OPEN)
        waiting = waiting.where(t.c.model == model)
        if self._connection.execute(waiting).scalar_one() >= _GOLD_AT_ONCE:
            return None
        again = t.alias("again")
        unused = ~sa.exists().where(again.c.gold_of == t.c.id)
        known = (t.c.model == model, t.c.source.in_(_KNOWN), t.c.gold_of.is_(None), unused)
        query = _tasks().where(*known, _newest()).order_by(t.c.id.desc()).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _task(row)

    def stats(self, now: datetime) -> Mapping[str, Any]:
        """How many items wait, since when and why."""
        return review_counts.stats(self._connection, now)

    def waiting(self, model: str | None) -> int:
        """How many items wait, counted up to a thousand."""
        return review_counts.waiting(self._connection, model)

    def _closed_for(self, slot: Slot) -> frozenset[str]:
        """To whom a slot is closed now; nobody else changes that until this transaction ends."""
        lane = sa.select(s.c.lane_id).where(s.c.id == slot.id).with_for_update()
        return members(self._connection, self._connection.execute(lane).scalar_one())

    def _open(
        self, item: Item, number: int, queue: Queue, excluded: frozenset[str], epoch: int,
        sort_key: float | None = None,
    ) -> None:  # fmt: skip
        lane_id = lane_for(self._connection, queue, item.model, excluded)
        self._connection.execute(
            sa.insert(s).values(
                item_id=item.id,
                number=number,
                lane_id=lane_id,
                queue=queue,
                sort_key=item.sort_key if sort_key is None else sort_key,
                state=SlotState.READY,
                epoch=epoch,
                informed=False,
            )
        )

    def _lease(self, slot_id: int, reviewer: str, now: datetime, until: datetime) -> Task:
        lease = {"reviewer": reviewer, "until": until, "at": now, "slot": slot_id}
        self._connection.execute(_LEASE, lease)
        return self._of_slot(slot_id)

    def _of_slot(self, slot_id: int) -> Task:
        return _task(self._connection.execute(_OF_SLOT, {"slot": slot_id}).one())

    def _move(self, item_id: str, reviewer: str, epoch: int, **values: object) -> Slot | None:
        mine = (s.c.item_id == item_id, s.c.holder == reviewer, s.c.epoch == epoch)
        change = sa.update(s).where(*mine, s.c.state.in_(_ANSWERABLE)).values(**values)
        row = self._connection.execute(change.returning(*s.c)).first()
        return None if row is None else slot_in(row)

    def _first(self, *where: sa.ColumnElement[bool]) -> Task | None:
        query = _tasks().where(*where).order_by(s.c.number.desc(), s.c.sort_key, s.c.id).limit(1)
        row = self._connection.execute(query).first()
        return None if row is None else _task(row)


@cache
def _tasks() -> sa.Select[Any]:
    slot = [column.label(f"slot_{column.name}") for column in s.c]
    return sa.select(*t.c, *slot).join(s, s.c.item_id == t.c.id)


@cache
def _held_by(*, any_model: bool, any_item: bool) -> sa.Select[Any]:
    mine = [
        s.c.state == SlotState.LEASED, s.c.holder == sa.bindparam("reviewer"),
        s.c.free_at > sa.bindparam("at"), t.c.state == ItemState.OPEN,
    ]  # fmt: skip
    mine += [] if any_model else [t.c.model == sa.bindparam("of_model")]
    mine += [] if any_item else [t.c.id != sa.bindparam("besides")]
    return _tasks().where(*mine).order_by(s.c.number.desc(), s.c.sort_key, s.c.id).limit(1)


# What every claim and answer runs, made once: making a statement takes longer than running it.
_RUN_OUT = (
    sa.select(s.c.id)
    .where(
        sa.or_(
            sa.and_(s.c.state.in_(_TAKEN), s.c.free_at <= sa.bindparam("now")),
            sa.and_(s.c.state == SlotState.LEASED, s.c.claimed_at > sa.bindparam("ahead")),
        )
    )
    .limit(_REAPED_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_LEASE = lease(s.c.id == sa.bindparam("slot"))
_OF_SLOT = _tasks().where(s.c.id == sa.bindparam("slot"))
_NEWEST_OF_ITEM = (
    _tasks().where(t.c.id == sa.bindparam("item")).order_by(s.c.number.desc()).limit(1)
)
_FINISH = (
    sa.update(s)
    .where(s.c.item_id == sa.bindparam("item"), s.c.holder == sa.bindparam("reviewer"))
    .where(s.c.epoch == sa.bindparam("at_epoch"), s.c.state.in_(_ANSWERABLE))
    .values(state=SlotState.DONE.value, free_at=None)
    .returning(*s.c)
)
_ANSWERED = (
    sa.update(s)
    .where(s.c.id == sa.bindparam("slot"))
    .values(decision_id=sa.bindparam("decision"), informed=sa.bindparam("now_informed"))
)
_TO_CLOSING = (
    sa.update(t)
    .where(t.c.id == sa.bindparam("item"), t.c.state == ItemState.OPEN)
    .values(state=ItemState.CLOSING.value, closes_at=sa.bindparam("end", type_=t.c.closes_at.type))
)
_OVER = (
    sa.select(t.c.id)
    .where(
        t.c.state == ItemState.CLOSING,
        sa.or_(t.c.closes_at <= sa.bindparam("now"), t.c.closes_at > sa.bindparam("ahead")),
    )
    .order_by(t.c.closes_at)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_CLOSE = (
    sa.update(t)
    .where(t.c.id == sa.bindparam("item"), t.c.state == ItemState.CLOSING)
    .values(
        state=ItemState.DECIDED.value,
        outcome=sa.bindparam("said", type_=t.c.outcome.type),
        source=sa.bindparam("rests_on"),
        decided_at=sa.bindparam("now", type_=t.c.decided_at.type),
    )
)


def _task(row: Any) -> Task:
    return Task(item_in(row), slot_in(row, "slot_"))


def _newest() -> sa.ColumnElement[bool]:
    later = s.alias("later")
    return ~sa.exists().where(later.c.item_id == s.c.item_id, later.c.number > s.c.number)


def _closing(item_id: str, now: datetime) -> sa.Update:
    return _in_state(item_id, ItemState.CLOSING).where(t.c.closes_at > now)


def _in_state(item_id: str, *states: ItemState) -> sa.Update:
    return sa.update(t).where(t.c.id == item_id, t.c.state.in_(states))
