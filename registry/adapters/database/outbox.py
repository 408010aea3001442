"""Effects on other systems, waiting in the database."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.tables import outbox as t
from registry.domain.evidence import OutboxMessage


class SqlOutbox:
    """Implements registry.ports.Outbox."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, topic: str, payload: Mapping[str, Any], now: datetime) -> None:
        """Ask for an effect on the payload's `model`."""
        self._connection.execute(
            sa.insert(t).values(
                topic=topic,
                model=payload["model"],
                payload=dict(payload),
                created_at=now,
                available_at=now,
                attempts=0,
            )
        )

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
        rows = self._connection.execute(
            sa.select(t.c.id, t.c.topic, t.c.payload, t.c.attempts, t.c.created_at)
            .where(t.c.id.in_(first), t.c.available_at <= now)
            .order_by(t.c.id)
        )
        return tuple(OutboxMessage(**row._mapping) for row in rows)

    def done(self, message: OutboxMessage, now: datetime) -> None:
        """The effect has happened."""
        self._change(message, done_at=now, error=None)

    def failed(self, message: OutboxMessage, error: str, retry_at: datetime) -> None:
        """Try again later."""
        self._change(message, error=error, available_at=retry_at)

    def mark(self, model: str, topics: Sequence[str]) -> tuple[int, bool]:
        """The number of the last effect of these topics on a model, and whether any waits."""
        mine = (t.c.model == model, t.c.topic.in_(topics))
        last = self._connection.execute(sa.select(sa.func.max(t.c.id)).where(*mine)).scalar()
        waits = sa.select(sa.exists().where(*mine, t.c.done_at.is_(None)))
        return last or 0, bool(self._connection.execute(waits).scalar())

    def _change(self, message: OutboxMessage, **values: Any) -> None:
        self._connection.execute(
            sa.update(t).where(t.c.id == message.id).values(attempts=message.attempts + 1, **values)
        )
