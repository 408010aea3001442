"""Exposures in the database: written with each prediction, read from where one has got to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from registry.adapters.database.dialect import horizon
from registry.adapters.database.tables import exposure as t
from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure, ExposureTable
from registry.domain.horizon import Horizon
from registry.domain.segments import Values
from registry.domain.stages import Stage

_COLUMNS = 10
_AT_ONCE = 20_000  # rows that are held at once before they are columns
_INSERT = sa.insert(t)  # made once: every prediction pays for it


class SqlExposures:
    """Implements registry.ports.Exposures; the serial id is the order of writing."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, *exposures: Exposure) -> None:
        """Append one or several, in order."""
        self._connection.execute(_INSERT, [_values(one) for one in exposures])

    def read(self, rollout_id: str, stage: Stage) -> tuple[Exposure, ...]:
        """All of a stage, in the order in which they were written."""
        query = sa.select(t).where(*_of(rollout_id, stage)).order_by(t.c.id)
        return tuple(_exposure(row) for row in self._connection.execute(query))

    def after(
        self,
        rollout_id: str,
        stage: Stage,
        cursor: int,
        recent: datetime,
        most: int,
        segments: Sequence[str] = (),
    ) -> ExposureTable:
        """Those that were written after the one of number `cursor`, as columns, `most` of them.

        Only those created since `recent` say when.
        """
        when = sa.case((t.c.created_at >= recent, t.c.created_at))
        here = (*_of(rollout_id, stage), t.c.id > cursor)
        query = self._query(when, segments, *here).limit(most)
        return _columns(self._connection.execute(query).all(), segments)

    def portions(
        self, rollout_id: str, stage: Stage, until: datetime, segments: Sequence[str] = ()
    ) -> Iterator[ExposureTable]:
        """Those that were created up to a moment, as columns, some at a time; in one look.

        If there are none, one table without rows.
        """
        query = self._query(t.c.created_at, segments, *_of(rollout_id, stage))
        query = query.where(t.c.created_at <= until).execution_options(yield_per=_AT_ONCE)
        with self._connection.execute(query) as found:
            rows: Sequence[Any] = ()
            for rows in found.partitions():
                yield _columns(rows, segments)
            if not rows:
                yield _columns((), segments)

    def horizon(self) -> Horizon:
        """Which rows this look knows to be there; of a transaction that reads only."""
        return horizon(self._connection)

    def _query(
        self, when: sa.ColumnElement[Any], segments: Sequence[str], *where: sa.ColumnElement[bool]
    ) -> sa.Select[Any]:
        names = ("id", "unit", "candidate", "share", "step", "failed", "answer_ms")
        columns = [*(t.c[name] for name in names), when, t.c.epoch, t.c.action]
        columns += [t.c.segments] if segments else []
        return sa.select(*columns).where(*where).order_by(t.c.id)


def _columns(rows: Sequence[Any], segments: Sequence[str]) -> ExposureTable:
    found = list(zip(*rows, strict=True)) if rows else [()] * (_COLUMNS + bool(segments))
    texts = found.pop() if segments else ()
    return replace(_table(*found), segments=_segments(texts, segments))


def _segments(texts: Sequence[str | None], names: Sequence[str]) -> dict[str, Values]:
    """Each text is taken apart once, however many requests were alike."""
    parsed = {text: json.loads(text) if text else {} for text in set(texts)}
    return {name: Values.of([parsed[text].get(name) for text in texts]) for name in names}


def _table(*parts: tuple[Any, ...]) -> ExposureTable:
    numbers, units, candidate, shares, steps, failed, answer_ms, created, epochs, actions = parts
    return ExposureTable(
        np.array(numbers, np.int64),
        np.array(units, np.int64),
        np.array(candidate, np.bool_),
        np.array(shares, np.float64),
        np.array(steps, np.int32),
        np.array(failed, np.bool_),
        np.array(answer_ms, np.float64),  # None becomes NaN
        np.array([-np.inf if at is None else at.timestamp() for at in created], np.float64),
        np.array(epochs, np.int32),
        actions,
    )


def _of(rollout_id: str, stage: Stage) -> tuple[sa.ColumnElement[bool], ...]:
    return t.c.rollout_id == rollout_id, t.c.stage == stage.value


def _text(segments: Mapping[str, str]) -> str:
    return json.dumps(dict(segments), sort_keys=True, separators=(",", ":"))


def _values(exposure: Exposure) -> dict[str, Any]:
    return {
        "rollout_id": exposure.rollout_id,
        "stage": exposure.stage.value,
        "step": exposure.step,
        "epoch": exposure.epoch,
        "share": exposure.share,
        "candidate": exposure.arm is Arm.CANDIDATE,
        "unit": exposure.unit,
        "action": exposure.action,
        "failed": exposure.failed,
        "answer_ms": exposure.answer_ms,
        "created_at": exposure.created_at,
        "segments": None if exposure.segments is None else _text(exposure.segments),
    }


def _exposure(row: Any) -> Exposure:
    return Exposure(
        rollout_id=row.rollout_id,
        stage=Stage(row.stage),
        step=row.step,
        epoch=row.epoch,
        share=row.share,
        arm=Arm.CANDIDATE if row.candidate else Arm.BASELINE,
        unit=row.unit,
        action=row.action,
        failed=row.failed,
        answer_ms=row.answer_ms,
        created_at=row.created_at,
        segments=None if row.segments is None else json.loads(row.segments),
    )
