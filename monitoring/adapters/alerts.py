"""Alerts in the database; one writer, the loop that checks, raises and clears them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from monitoring.adapters.tables import alert as t
from monitoring.domain.alert import Alert, AlertKind


class SqlAlerts:
    """Implements monitoring.ports.Alerts; whoever opened the connection commits it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def see(self, model: str, version: int, kind: AlertKind, sentence: str, now: datetime) -> bool:
        """Raise an alert, or renew the one that is open; says whether it is new."""
        renewed = self._connection.execute(
            sa.update(t)
            .where(*_open(model, version, kind))
            .values(sentence=sentence, last_seen_at=now)
        )
        if renewed.rowcount:
            return False
        self._connection.execute(
            sa.insert(t).values(
                model=model,
                version=version,
                kind=kind.value,
                sentence=sentence,
                raised_at=now,
                last_seen_at=now,
            )
        )
        return True

    def clear(self, model: str, version: int, kind: AlertKind, now: datetime) -> bool:
        """Close the open alert; says whether there was one."""
        cleared = self._connection.execute(
            sa.update(t).where(*_open(model, version, kind)).values(cleared_at=now)
        )
        return cleared.rowcount > 0

    def recent(self, model: str | None = None, limit: int = 50) -> tuple[Alert, ...]:
        """Alerts, the newest first."""
        query = sa.select(t).order_by(t.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(t.c.model == model)
        return tuple(_alert(row) for row in self._connection.execute(query))


def _open(model: str, version: int, kind: AlertKind) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        t.c.model == model,
        t.c.version == version,
        t.c.kind == kind.value,
        t.c.cleared_at.is_(None),
    )


def _alert(row: Any) -> Alert:
    return Alert(
        model=row.model,
        version=row.version,
        kind=AlertKind(row.kind),
        sentence=row.sentence,
        raised_at=row.raised_at,
        last_seen_at=row.last_seen_at,
        cleared_at=row.cleared_at,
    )
