"""Lanes: slots of one queue and model that the same people may not take.

A claim looks at the head of each lane that has something to take and that is not closed to the
reviewer, so what somebody is excluded from costs them nothing, however much of it there is.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from hashlib import sha256
from json import dumps
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from serving.adapters.review_tables import review_lane as lane
from serving.adapters.review_tables import review_lane_member as member
from serving.adapters.review_tables import review_slot as slot
from serving.domain.review import Queue, SlotState

_READY = SlotState.READY.value


def lane_for(
    connection: sa.Connection, queue: Queue, model: str, excluded: Iterable[str] = ()
) -> int:
    """The lane of a queue and a model that is closed to exactly these people."""
    names = sorted(set(excluded))
    key = sha256(dumps([queue.value, model, names]).encode()).hexdigest()
    by_key = sa.select(lane.c.id).where(lane.c.key == key)
    known: int | None = connection.execute(by_key).scalar()
    if known is not None:
        return known
    new = insert(connection, lane).values(queue=queue, model=model, key=key)
    made = connection.execute(new.on_conflict_do_nothing().returning(lane.c.id)).scalar()
    if made is None:  # another transaction has just made it
        found: int = connection.execute(by_key).scalar_one()
        return found
    if names:
        rows = [{"lane_id": made, "reviewer": name} for name in names]
        connection.execute(sa.insert(member), rows)
    return int(made)


def members(connection: sa.Connection, lane_id: int) -> frozenset[str]:
    """To whom a lane is closed."""
    query = sa.select(member.c.reviewer).where(member.c.lane_id == lane_id)
    return frozenset(connection.execute(query).scalars())


def lease_first(
    connection: sa.Connection,
    reviewer: str,
    model: str | None,
    queue: Queue,
    now: datetime,
    until: datetime,
) -> int | None:
    """Lease the most urgent slot of a queue that a reviewer may take; one statement.

    PostgreSQL locks it and passes over what another transaction is taking; on SQLite this
    transaction holds the only write lock.
    """
    statement = _lease_first(connection.dialect.name == "sqlite", any_model=model is None)
    values = {
        "reviewer": reviewer,
        "of_queue": queue.value,
        "of_model": model,
        "at": now,
        "until": until,
    }
    found: int | None = connection.execute(statement, values).scalar()
    return found


def lease(condition: sa.ColumnElement[bool]) -> sa.Update:
    """A new claim of `reviewer` on a slot, from `at` to `until`."""
    return (
        sa.update(slot)
        .where(condition)
        .values(
            state=SlotState.LEASED.value,
            holder=sa.bindparam("reviewer"),
            epoch=slot.c.epoch + 1,
            free_at=sa.bindparam("until", type_=slot.c.free_at.type),
            claimed_at=sa.bindparam("at", type_=slot.c.free_at.type),
            informed=False,
        )
    )


def open_lanes(*, any_model: bool) -> sa.CTE:
    """The lanes that have something to take and that are open to `reviewer`, in `queue`.

    Each step of the recursion jumps to the next lane in the index: lanes without work, of which
    there may be one for every set of people who ever passed something on, are never looked at.
    """
    any_slot = slot.alias("any_slot")
    ready = any_slot.c.state == _READY
    first = sa.select(sa.func.min(any_slot.c.lane_id).label("id")).where(ready)
    busy = first.cte("busy", recursive=True)
    after = slot.alias("after")
    following = sa.select(sa.func.min(after.c.lane_id)).where(
        after.c.state == _READY, after.c.lane_id > busy.c.id
    )
    busy = busy.union_all(sa.select(following.scalar_subquery()).where(busy.c.id.is_not(None)))
    closed = sa.exists().where(
        member.c.lane_id == lane.c.id, member.c.reviewer == sa.bindparam("reviewer")
    )
    query = sa.select(lane.c.id).join(busy, busy.c.id == lane.c.id)
    query = query.where(lane.c.queue == sa.bindparam("of_queue"), ~closed)
    if not any_model:
        query = query.where(lane.c.model == sa.bindparam("of_model"))
    return query.cte("open_lane")


# Making such a statement takes longer than running it, so each is made once.
@cache
def _lease_first(sqlite: bool, *, any_model: bool) -> sa.Executable:
    # `=` and not IN: PostgreSQL may run a subquery below IN again and again, locking each time.
    first = _first_free(sqlite, any_model=any_model).scalar_subquery()
    return lease(slot.c.id == first).returning(slot.c.id)


def _first_free(sqlite: bool, *, any_model: bool) -> sa.Select[Any]:
    lanes, head = open_lanes(any_model=any_model), slot.alias("head")
    first = (head.c.state == _READY, head.c.lane_id == lanes.c.id)
    heads = sa.select(head.c.id, head.c.sort_key).where(*first)
    heads = heads.order_by(head.c.sort_key, head.c.id).limit(1).correlate(lanes)
    if sqlite:
        only = heads.with_only_columns(head.c.id).scalar_subquery()
        each: sa.FromClause = slot.alias("each")
        joined = lanes.join(each, each.c.id == only)
        query = sa.select(each.c.id).select_from(joined).order_by(each.c.sort_key, each.c.id)
    else:
        each = heads.with_for_update(skip_locked=True).lateral()
        query = sa.select(each.c.id).select_from(lanes.join(each, sa.true()))
        query = query.order_by(each.c.sort_key, each.c.id)
    return query.limit(1)
