"""How far the evidence of each gate has come, in the database."""

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import upsert
from registry.adapters.database.tables import gate_series as t
from registry.domain.readings import Reading, Series
from registry.domain.stages import Stage


class SqlReadings:
    """Implements registry.ports.Readings."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of(self, rollout_id: str, stage: Stage) -> tuple[Series, ...]:
        """The series of a stage, in the order in which they began."""
        rows = self._connection.execute(
            sa.select(t)
            .where(t.c.rollout_id == rollout_id, t.c.stage == stage.value)
            .order_by(t.c.began_at, t.c.type, t.c.segment, t.c.nth)
        )
        return tuple(_series(row) for row in rows)

    def put(self, rollout_id: str, stage: Stage, series: Series) -> None:
        """Store a series as it is now."""
        values = {
            "rollout_id": rollout_id,
            "stage": stage.value,
            "key": _key(series),
            "type": series.type,
            "segment": series.segment,
            "nth": series.nth,
            "began_at": series.readings[0].at,
            "points": [
                [r.at.isoformat(), r.verdict, r.for_pass, r.for_harm] for r in series.readings
            ],
        }
        upsert(self._connection, t, values)


def _key(series: Series) -> str:
    """Short however long a segment's value is."""
    return hashlib.sha256(json.dumps(series.key).encode()).hexdigest()


def _series(row: Any) -> Series:
    readings = (Reading(datetime.fromisoformat(at), *said) for at, *said in row.points)
    return Series(row.type, row.segment, row.nth, tuple(readings))
