"""The audit log in the database: rows are only ever appended, one writer at a time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import lock_until_commit, upsert
from registry.adapters.database.tables import audit_event as t
from registry.adapters.database.tables import audit_head
from registry.domain.audit_chain import chained
from registry.domain.evidence import AuditEvent, AuditHead

_LOCK = 0x5747_4155_4449_54  # any constant that nothing else in this database locks
_HEAD = 1


class SqlAudit:
    """Implements registry.ports.Audit."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(
        self,
        now: datetime,
        actor: str,
        action: str,
        model: str,
        version: int | None = None,
        rollout_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """Chain an event to the last one."""
        lock_until_commit(self._connection, _LOCK)
        draft = AuditEvent(
            sequence=0,
            at=now,
            actor=actor,
            action=action,
            model=model,
            version=version,
            rollout_id=rollout_id,
            detail=dict(detail or {}),
            previous_hash="",
            hash="",
        )
        # A number is never given twice, even if the end of the log was cut off.
        event = chained(draft, self.head() or self._last())
        self._connection.execute(
            sa.insert(t).values({column.name: getattr(event, column.name) for column in t.c})
        )
        end = {"id": _HEAD, "sequence": event.sequence, "hash": event.hash}
        upsert(self._connection, audit_head, end)
        return event

    def read(
        self,
        model: str | None = None,
        limit: int | None = None,
        *,
        rollout_id: str | None = None,
        action: str | None = None,
        since: int | None = None,
        until: int | None = None,
        cause: str | None = None,
    ) -> tuple[AuditEvent, ...]:
        """Events, oldest first; with a limit, the last ones.

        since, until: the first and the last number that are wanted. cause: what they say of why.
        """
        wanted = ((t.c.model, model), (t.c.rollout_id, rollout_id), (t.c.action, action))
        query = sa.select(t).where(*(column == one for column, one in wanted if one is not None))
        if cause is not None:
            query = query.where(t.c.detail["cause"].as_string() == cause)
        if since is not None:
            query = query.where(t.c.sequence >= since)
        if until is not None:
            query = query.where(t.c.sequence <= until)
        rows = self._connection.execute(query.order_by(t.c.sequence.desc()).limit(limit)).all()
        return tuple(_event(row) for row in reversed(rows))

    def head(self) -> AuditHead | None:
        """The number and the hash of the last event, kept apart from the events."""
        row = self._connection.execute(sa.select(audit_head.c.sequence, audit_head.c.hash)).first()
        return None if row is None else AuditHead(row.sequence, row.hash)

    def _last(self) -> AuditEvent | None:
        row = self._connection.execute(sa.select(t).order_by(t.c.sequence.desc()).limit(1)).first()
        return None if row is None else _event(row)


def _event(row: Any) -> AuditEvent:
    return AuditEvent(**{column.name: getattr(row, column.name) for column in t.c})
