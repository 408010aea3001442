"""Approvals in the database, each bound to the evidence that it saw."""

from datetime import datetime

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.tables import approval as t
from registry.domain.rollout import Rollout


class SqlApprovals:
    """Implements registry.ports.Approvals."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(
        self, rollout: Rollout, actor: str, evidence_digest: str, note: str, now: datetime
    ) -> None:
        """Store one; giving the same approval twice changes nothing."""
        self._connection.execute(
            insert(self._connection, t)
            .values(
                rollout_id=rollout.id,
                stage=rollout.stage.value,
                step=rollout.step,
                actor=actor,
                evidence_digest=evidence_digest,
                note=note,
                at=now,
            )
            .on_conflict_do_nothing()
        )

    def actors(self, rollout: Rollout, evidence_digest: str) -> tuple[str, ...]:
        """Who approved this evidence for leaving the present stage and step."""
        rows = self._connection.execute(
            sa.select(t.c.actor)
            .where(
                t.c.rollout_id == rollout.id,
                t.c.stage == rollout.stage.value,
                t.c.step == rollout.step,
                t.c.evidence_digest == evidence_digest,
            )
            .order_by(t.c.id)
        )
        return tuple(row.actor for row in rows)
