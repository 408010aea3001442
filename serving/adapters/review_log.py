"""What reviewers said and did, appended and never changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from serving.adapters.review_rows import opinion_in
from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_event as e
from serving.adapters.review_tables import review_slot as s
from serving.domain.opinions import Event, Opinion, Verdict
from serving.domain.review import Task, seen


class SqlReviewLog:
    """Implements serving.ports.ReviewLog."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def sent_before(self, verdict: Verdict) -> Opinion | None:
        """What the reviewer has said about the item under the verdict's key before."""
        same = (
            d.c.item_id == verdict.item_id,
            d.c.reviewer == verdict.reviewer,
            d.c.idempotency_key == verdict.idempotency_key,
        )
        row = self._connection.execute(sa.select(d).where(*same)).first()
        return None if row is None else opinion_in(row)

    def add(self, verdict: Verdict, task: Task, now: datetime, *, counted: bool) -> Opinion | None:
        """Append a reviewer's answer to an item as they had it, unless they sent it before."""
        slot = task.slot
        began = slot.claimed_at if slot.holder == verdict.reviewer else None
        stored = insert(self._connection, d).values(
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
            seconds=(now - began).total_seconds() if began else None,
            seen=seen(task),
            idempotency_key=verdict.idempotency_key,
            decided_at=now,
        )
        row = self._connection.execute(stored.on_conflict_do_nothing().returning(*d.c)).first()
        return None if row is None else opinion_in(row)

    def current(self, item_id: str) -> tuple[Opinion, ...]:
        """The one current answer of each slot that has one, in the order of the slots."""
        query = sa.select(d).join(s, s.c.decision_id == d.c.id).where(s.c.item_id == item_id)
        rows = self._connection.execute(query.order_by(s.c.number))
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

    def events(self, item_id: str) -> tuple[Event, ...]:
        """What people did with an item besides answering it, as it happened."""
        query = sa.select(e).where(e.c.item_id == item_id).order_by(e.c.id)
        rows = self._connection.execute(query)
        return tuple(Event(row.at, row.actor, row.action, row.detail) for row in rows)
