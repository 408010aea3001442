"""The rows behind promotions, in the database."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.evidence import OTHER, RIVAL, standing_at
from registry.adapters.database.tables import evidence as t
from registry.adapters.database.tables import judged_evidence
from registry.domain.evidence import Arm
from registry.domain.evidence_log import LoggedAnswer
from registry.domain.evidence_table import Other, Rival, Standing
from registry.domain.stages import Stage

_AT_ONCE = 10_000  # answers that are held at once


class SqlEvidenceLogs:
    """Implements registry.ports.EvidenceLogs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def portions(
        self, rollout_id: str, stage: Stage, now: datetime
    ) -> Iterator[Sequence[LoggedAnswer]]:
        """All answers of a stage in prediction order, some at a time, each with its standing now.

        One look at the database, however long reading takes.
        """
        columns = (
            t.c.id, t.c.prediction_id, t.c.step, t.c.model_label, t.c.baseline_label,
            t.c.inclusion_probability.label("chance"), t.c.segments, t.c.created_at, t.c.due_at,
            standing_at(now).label("standing"), RIVAL.label("rival"), t.c.arm, t.c.drawn, t.c.unit,
            t.c.epoch, t.c.reviewer, OTHER.label("other"),
        )  # fmt: skip
        query = (
            sa.select(*columns)
            .where(t.c.rollout_id == rollout_id, t.c.stage == stage.value)
            .order_by(t.c.id)
            .execution_options(yield_per=_AT_ONCE)
        )
        with self._connection.execute(query) as rows:
            for some in rows.partitions():
                yield [_answer(row) for row in some]

    def keep(self, digest: str, content: bytes) -> None:
        """Keep what may change later of the evidence with this digest."""
        values = {"digest": digest, "content": content}
        self._connection.execute(
            insert(self._connection, judged_evidence).values(values).on_conflict_do_nothing()
        )

    def kept(self, digest: str) -> bytes | None:
        """What was kept."""
        query = sa.select(judged_evidence.c.content).where(judged_evidence.c.digest == digest)
        return self._connection.execute(query).scalar()


def _answer(row: Any) -> LoggedAnswer:
    said = {"standing": Standing(row.standing), "rival": Rival(row.rival), "arm": Arm(row.arm)}
    return LoggedAnswer(**{**row._mapping, **said, "other": Other(row.other)})
