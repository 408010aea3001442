"""What reviewers said and did, appended and never changed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert, insert_for
from serving.adapters.review_rows import opinion_in, opinion_out
from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_event as e
from serving.adapters.review_tables import review_slot as s
from serving.domain.opinions import Event, Opinion, Passing, Verdict
from serving.domain.review import Task, seen_digest


class SqlReviewLog:
    """Implements serving.ports.ReviewLog."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def sent_before(self, verdict: Verdict) -> Opinion | None:
        """What the reviewer has said about the item under the verdict's key before."""
        same = {"item": verdict.item_id, "by": verdict.reviewer, "key": verdict.idempotency_key}
        row = self._connection.execute(_SENT_BEFORE, same).first()
        return None if row is None else opinion_in(row)

    def add(self, verdict: Verdict, task: Task, now: datetime, *, counted: bool) -> Opinion | None:
        """Append a reviewer's answer to an item as they had it, unless they sent it before."""
        slot = task.slot
        began = slot.claimed_at if slot.holder == verdict.reviewer else None
        opinion = Opinion(
            id=0,
            item_id=verdict.item_id,
            slot=slot.number,
            queue=slot.queue,
            reviewer=verdict.reviewer,
            epoch=verdict.epoch,
            label=verdict.label,
            comment=verdict.comment,
            counted=counted,
            informed=task.informed,
            supersedes=slot.decision_id if verdict.revises else None,
            bulk=verdict.bulk,
            seconds=_seconds(began, now),
            seen=seen_digest(task.item, task.presentation, verdict.page, informed=task.informed),
            page=verdict.page,
            idempotency_key=verdict.idempotency_key,
            decided_at=now,
        )
        stored = _add(self._connection.dialect.name)
        made = self._connection.execute(stored, opinion_out(opinion)).scalar()
        return None if made is None else replace(opinion, id=made)

    def current(self, item_id: str) -> tuple[Opinion, ...]:
        """The one current answer of each slot that has one, in the order of the slots."""
        rows = self._connection.execute(_CURRENT, {"item": item_id})
        return tuple(opinion_in(row) for row in rows)

    def all(self, item_id: str) -> tuple[Opinion, ...]:
        """Every answer to an item, corrected and extra ones too, as they came."""
        query = sa.select(d).where(d.c.item_id == item_id).order_by(d.c.id)
        return tuple(opinion_in(row) for row in self._connection.execute(query))

    def bulk(self, name: str, reviewer: str) -> tuple[Opinion, ...]:
        """The answers that a reviewer gave at one stroke."""
        query = sa.select(d).where(d.c.bulk == name, d.c.reviewer == reviewer).order_by(d.c.id)
        return tuple(opinion_in(row) for row in self._connection.execute(query))

    def note(self, item_id: str, actor: str, action: str, now: datetime, **detail: object) -> None:
        """Append what somebody did with an item."""
        values: Mapping[str, Any] = {"item_id": item_id, "at": now, "actor": actor}
        self._connection.execute(sa.insert(e).values(action=action, detail=detail, **values))

    def note_once(
        self, sent: Passing, action: str, now: datetime, **detail: object
    ) -> Event | None:
        """Append it if it is sent for the first time; what was noted then, if it is not.

        The same request under way elsewhere is waited for: it may yet come to nothing.
        """
        request = {
            "item_id": sent.item_id, "actor": sent.reviewer, "request": sent.request(action),
        }  # fmt: skip
        new = insert(self._connection, e).values(at=now, action=action, detail=detail, **request)
        made = self._connection.execute(new.on_conflict_do_nothing().returning(e.c.id)).scalar()
        if made is not None:
            return None
        return _event(self._connection.execute(sa.select(e).filter_by(**request)).one())

    def events(self, item_id: str) -> tuple[Event, ...]:
        """What people did with an item besides answering it, as it happened."""
        query = sa.select(e).where(e.c.item_id == item_id).order_by(e.c.id)
        rows = self._connection.execute(query)
        return tuple(_event(row) for row in rows)


def _event(row: Any) -> Event:
    return Event(row.at, row.actor, row.action, row.detail)


# What every answer runs, made once: making a statement takes longer than running it.
_SENT_BEFORE = sa.select(d).where(
    d.c.item_id == sa.bindparam("item"),
    d.c.reviewer == sa.bindparam("by"),
    d.c.idempotency_key == sa.bindparam("key"),
)
_CURRENT = (
    sa.select(d)
    .join(s, s.c.decision_id == d.c.id)
    .where(s.c.item_id == sa.bindparam("item"))
    .order_by(s.c.number)
)


def _seconds(began: datetime | None, now: datetime) -> float | None:
    """How long it took; unknown where a clock was set back meanwhile."""
    return (now - began).total_seconds() if began and began <= now else None


@cache
def _add(dialect: str) -> sa.Executable:
    return insert_for(dialect, d).on_conflict_do_nothing().returning(d.c.id)
