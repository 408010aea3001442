"""Effects on other systems, waiting in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.tables import outbox as t
from registry.domain.evidence import LONGEST_WAIT, OutboxMessage


class SqlOutbox:
    """Implements registry.ports.Outbox."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, topic: str, payload: Mapping[str, Any], now: datetime) -> None:
        """Ask for an effect on the payload's `model`."""
        values = {"topic": topic, "model": payload["model"], "payload": dict(payload)}
        when = {"created_at": now, "available_at": now, "attempts": 0}
        self._connection.execute(_ADD, values | when)

    def due(self, now: datetime) -> tuple[OutboxMessage, ...]:
        """The oldest effect that waits for each topic and model, unless its retry is yet to come.

        A later one never overtakes it: MLflow's alias must end where the last change put it.
        """
        first = (
            sa.select(sa.func.min(t.c.id))
            .where(t.c.done_at.is_(None))
            .group_by(t.c.topic, t.c.model)
            .scalar_subquery()
        )
        due = _MESSAGES.where(t.c.id.in_(first), _able(now)).order_by(t.c.id)
        rows = self._connection.execute(due)
        return tuple(OutboxMessage(**row._mapping) for row in rows)

    def waiting(self, first: OutboxMessage, now: datetime, limit: int) -> tuple[OutboxMessage, ...]:
        """This effect and those after it of its topic and model, up to one that is to wait."""
        like = (t.c.topic == first.topic, t.c.model == first.payload["model"], t.c.id >= first.id)
        query = _MESSAGES.add_columns(_able(now)).where(*like, t.c.done_at.is_(None))
        # Locked, so that another process whose lease has just run out finds them done.
        query = query.order_by(t.c.id).limit(limit).with_for_update()
        rows = self._connection.execute(query).all()
        able = takewhile(lambda row: row[-1], rows)
        return tuple(OutboxMessage(*row[:-1]) for row in able)

    def done(self, messages: Sequence[OutboxMessage], now: datetime) -> None:
        """These effects have happened."""
        these = sa.update(t).where(t.c.id.in_([message.id for message in messages]))
        self._connection.execute(these.values(attempts=t.c.attempts + 1, done_at=now, error=None))

    def failed(self, message: OutboxMessage, error: str, retry_at: datetime) -> None:
        """Try again later."""
        this = sa.update(t).where(t.c.id == message.id)
        self._connection.execute(
            this.values(attempts=message.attempts + 1, error=error, available_at=retry_at)
        )

    def mark(self, model: str, topics: Sequence[str]) -> tuple[int, bool]:
        """The number of the last effect of these topics on a model, and whether any waits."""
        mine = (t.c.model == model, t.c.topic.in_(topics))
        last = self._connection.execute(sa.select(sa.func.max(t.c.id)).where(*mine)).scalar()
        waits = sa.select(sa.exists().where(*mine, t.c.done_at.is_(None)))
        return last or 0, bool(self._connection.execute(waits).scalar())


def _able(now: datetime) -> sa.ColumnElement[bool]:
    """Now, or as far off as no try is put off unless the clock was set back since."""
    return sa.or_(t.c.available_at <= now, t.c.available_at > now + LONGEST_WAIT)


_ADD = sa.insert(t)
_MESSAGES = sa.select(t.c.id, t.c.topic, t.c.payload, t.c.attempts, t.c.created_at)
