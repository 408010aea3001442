"""How much waits for people, why, since when, and how soon it is due."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving.adapters.review_tables import review_item as t
from serving.adapters.review_tables import review_slot as s
from serving.adapters.tables import prediction
from serving.domain.prediction import Status
from serving.domain.review import ItemState, SlotState

COUNTED_AT_MOST = 1000
_OPEN = (ItemState.OPEN.value, ItemState.CLOSING.value)
_SOON = timedelta(hours=1)


def waiting(connection: sa.Connection, model: str | None) -> int:
    """How many items wait, counted up to COUNTED_AT_MOST: reviewers ask at every item."""
    some = sa.select(t.c.id).where(t.c.state == ItemState.OPEN).limit(COUNTED_AT_MOST)
    if model is not None:
        some = some.where(t.c.model == model)
    counted = sa.select(sa.func.count()).select_from(some.subquery())
    return connection.execute(counted).scalar_one()


def stats(connection: sa.Connection, now: datetime) -> Mapping[str, Any]:
    """The queue in numbers; an item counts as open until its outcome is final.

    It counts under each of its reasons.
    """
    reasons = connection.execute(_by_codes(now)).all()
    slots = {(row.queue, row.state): row.slots for row in connection.execute(_by_slot())}
    states = sa.select(t.c.state, sa.func.count().label("items")).group_by(t.c.state)
    by_state = {row.state: row.items for row in connection.execute(states)}
    held = sa.select(sa.func.count()).where(prediction.c.status == Status.HELD)
    oldest = min((row.oldest for row in reasons), default=now)
    by_reason: Counter[str] = Counter()
    by_queue_reason: Counter[tuple[str, str]] = Counter()
    for row in reasons:
        codes = row.codes.split() or ["none"]
        by_reason.update(dict.fromkeys(codes, row.items))
        by_queue_reason.update({(row.queue, code): row.items for code in codes})
    queues: dict[str, int] = {}
    for (queue, state), number in slots.items():
        if state != SlotState.DONE:
            queues[queue] = queues.get(queue, 0) + number
    return {
        "open": sum(row.items for row in reasons),
        "oldest_seconds": max(0.0, (now - oldest).total_seconds()),
        "held": connection.execute(held).scalar_one(),
        "decided": by_state.get(ItemState.DECIDED, 0),
        "closing": by_state.get(ItemState.CLOSING, 0),
        "leased": _in(slots, SlotState.LEASED),
        "snoozed": _in(slots, SlotState.SNOOZED),
        "due_soon": sum(row.due_soon for row in reasons),
        "overdue": sum(row.overdue for row in reasons),
        "by_reason": dict(by_reason),
        "by_queue_reason": [[*key, items] for key, items in by_queue_reason.items()],
        "by_queue": queues,
    }


def _in(slots: Mapping[Any, int], state: SlotState) -> int:
    return sum(number for (_, stands), number in slots.items() if stands == state)


def _by_codes(now: datetime) -> sa.Select[Any]:
    soon = sa.and_(t.c.due_at > now, t.c.due_at <= now + _SOON)
    return (
        sa.select(
            t.c.codes,
            t.c.queue,
            sa.func.count().label("items"),
            sa.func.min(t.c.created_at).label("oldest"),
            sa.func.sum(sa.case((soon, 1), else_=0)).label("due_soon"),
            sa.func.sum(sa.case((t.c.due_at <= now, 1), else_=0)).label("overdue"),
        )
        .where(t.c.state.in_(_OPEN))
        .group_by(t.c.codes, t.c.queue)
    )


def _by_slot() -> sa.Select[Any]:
    going = (SlotState.READY.value, SlotState.LEASED.value, SlotState.SNOOZED.value)
    counted = sa.select(s.c.queue, s.c.state, sa.func.count().label("slots"))
    return counted.where(s.c.state.in_(going)).group_by(s.c.queue, s.c.state)
