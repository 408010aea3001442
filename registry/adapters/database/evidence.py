"""Verdicts on a candidate's answers, and drift of its inputs, in the database."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import horizon
from registry.adapters.database.tables import OPEN_EVIDENCE as OPEN
from registry.adapters.database.tables import drift_evidence, evidence
from registry.domain.evidence import (
    Arm,
    DriftMeasurement,
    EvidenceMark,
    EvidenceRow,
    Second,
    Verdict,
)
from registry.domain.evidence_table import (
    EvidenceTable,
    Other,
    Rival,
    Standing,
    table_of,
    table_of_columns,
)
from registry.domain.horizon import Horizon
from registry.domain.stages import Stage

_COLUMNS = 12
_AT_ONCE = 1_000  # numbers in one query


class SqlEvidence:
    """Implements registry.ports.Evidence; the serial id is the order of predictions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[EvidenceRow]) -> None:
        """Append rows in prediction order."""
        if rows:
            self._connection.execute(sa.insert(evidence), [_values(row) for row in rows])

    def settle(
        self, prediction_id: str, human_label: str | None, reviewer: str, now: datetime
    ) -> None:
        """Turn a person's label into verdicts on every answer to that prediction.

        Rows that have a verdict keep it; one that comes past its due time changes no gate any
        more. A label of None ("none of these") makes every answer
        an error.
        """
        values = {"prediction": prediction_id, "said": human_label, "by": reviewer, "now": now}
        self._connection.execute(_SETTLE, values)

    def second(self, prediction_id: str, second: Second, now: datetime) -> None:
        """Whether two people agreed on a prediction; the first word on it stays, none comes late.

        now: when the second of them said so.
        """
        t = evidence.c
        in_time = t.due_at.is_(None) | (t.due_at > now)
        open_ = t.second == Second.WANTED.value
        here = (t.prediction_id == prediction_id, open_, t.verdict.is_(None), in_time)
        self._connection.execute(sa.update(evidence).where(*here).values(second=second.value))

    def read(self, rollout_id: str, stage: Stage) -> tuple[EvidenceRow, ...]:
        """All rows of a stage, in prediction order."""
        t = evidence
        rows = self._connection.execute(
            sa.select(t)
            .where(t.c.rollout_id == rollout_id, t.c.stage == stage.value)
            .order_by(t.c.id)
        )
        return tuple(_row(row) for row in rows)

    def table(
        self,
        rollout_id: str,
        stage: Stage,
        segments: Sequence[str] = (),
        *,
        after: int = 0,
        most: int | None = None,
    ) -> EvidenceTable:
        """The rows behind a number as columns, with the values of these attributes."""
        here = (*_of(rollout_id, stage), evidence.c.id > after)
        return self._table(here, segments, most)

    def rows(self, ids: Collection[int], segments: Sequence[str] = ()) -> EvidenceTable:
        """The rows with these numbers as columns."""
        found, wanted = table_of([], segments), sorted(ids)
        for at in range(0, len(wanted), _AT_ONCE):
            some = evidence.c.id.in_(wanted[at : at + _AT_ONCE])
            found = found.followed_by(self._table((some,), segments, None))
        return found

    def _table(
        self, here: Sequence[sa.ColumnElement[bool]], segments: Sequence[str], most: int | None
    ) -> EvidenceTable:
        t = evidence
        columns: list[Any] = [
            t.c.id,
            STANDING,
            RIVAL,
            OTHER,
            sa.case((OPEN, t.c.due_at)),
            t.c.inclusion_probability,
            t.c.step,
            t.c.arm == Arm.BASELINE.value,
            t.c.drawn,
            sa.func.coalesce(t.c.unit, 0),
            t.c.epoch,
            t.c.created_at,
        ]
        # Taken apart here, each text once: a path into JSON would have to quote what people call
        # attributes.
        columns += [sa.cast(t.c.segments, sa.Text)] if segments else []
        query = sa.select(*columns).where(*here).order_by(t.c.id).limit(most)
        rows = self._connection.execute(query).all()
        found = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
        return table_of_columns(
            found[:_COLUMNS], _columns(found[_COLUMNS], segments) if segments else {}
        )

    def open(self, rollout_id: str, stage: Stage, due_after: datetime) -> frozenset[int]:
        """The numbers of the rows that wait for a verdict and are not due by then."""
        t = evidence
        in_time = t.c.due_at.is_(None) | (t.c.due_at > due_after)
        query = sa.select(t.c.id).where(*_of(rollout_id, stage), OPEN, in_time)
        return frozenset(self._connection.execute(query).scalars())

    def horizon(self) -> Horizon:
        """Which rows this look knows to be there; of a transaction that reads only."""
        return horizon(self._connection)

    def reviewers(self, rollout_id: str, stage: Stage) -> Mapping[str, int]:
        """How many of a stage's verdicts each person gave."""
        who = evidence.c.reviewer
        rows = self._connection.execute(
            sa.select(who, sa.func.count())
            .where(*_of(rollout_id, stage), who.is_not(None))
            .group_by(who)
        )
        return {row[0]: row[1] for row in rows}

    def mark(self, rollout_id: str, stage: Stage, now: datetime, after: int = 0) -> EvidenceMark:
        """Where the evidence of a stage stands; costs next to nothing.

        after: a row of it that is known. Without it PostgreSQL may read every row to find the
        last, whatever index there is.
        """
        t, here = evidence, _of(rollout_id, stage)
        newest = sa.select(sa.func.max(t.c.id)).where(*here, t.c.id > after)
        last = self._connection.execute(newest).scalar()
        still_time = sa.case((t.c.due_at > now, t.c.due_at))
        count, due = self._connection.execute(
            sa.select(sa.func.count(), sa.func.min(still_time)).where(*here, OPEN)
        ).one()
        return EvidenceMark(last or after, count, due)

    def answers_until(self, rollout_id: str, stage: Stage, moment: datetime, most: int) -> int:
        """How many answers of a stage were given up to a moment, counted up to `most`."""
        here = (*_of(rollout_id, stage), evidence.c.created_at <= moment)
        some = sa.select(evidence.c.id).where(*here).limit(most).subquery()
        return self._connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()


class SqlDrift:
    """Implements registry.ports.Drift."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, measurement: DriftMeasurement) -> None:
        """Append one."""
        m = measurement
        self._connection.execute(
            sa.insert(drift_evidence).values(
                model=m.model,
                version=m.version,
                window_from=m.window_from,
                window_to=m.window_to,
                rows=m.rows,
                alarm=m.alarm,
                sentence=m.sentence,
                detail=dict(m.detail),
                at=m.at,
            )
        )

    def recent(self, model: str, version: int, limit: int = 1) -> tuple[DriftMeasurement, ...]:
        """The newest first."""
        t = drift_evidence
        rows = self._connection.execute(
            sa.select(t)
            .where(t.c.model == model, t.c.version == version)
            .order_by(t.c.id.desc())
            .limit(limit)
        )
        return tuple(_measurement(row) for row in rows)


def _of(rollout_id: str, stage: Stage) -> tuple[sa.ColumnElement[bool], ...]:
    return evidence.c.rollout_id == rollout_id, evidence.c.stage == stage.value


def _standing() -> sa.ColumnElement[int]:
    """Of Standing; what is past due without a verdict is still PENDING here."""
    t = evidence
    return sa.case(
        (~t.c.sampled, Standing.NOT_SAMPLED.value),
        (t.c.verdict.is_(None), Standing.PENDING.value),
        (_TOO_LATE, Standing.OVERDUE.value),
        (t.c.verdict == Verdict.CORRECT.value, Standing.CORRECT.value),
        else_=Standing.ERROR.value,
    )


def standing_at(now: datetime) -> sa.ColumnElement[int]:
    """The same at a moment: what is past due by then is OVERDUE."""
    past_due = sa.and_(OPEN, evidence.c.due_at <= now)
    return sa.case((past_due, Standing.OVERDUE.value), else_=STANDING)


def _rival() -> sa.ColumnElement[int]:
    t = evidence
    unknown = ~t.c.sampled | t.c.verdict.is_(None) | t.c.reviewer.is_(None) | _TOO_LATE
    return sa.case(
        (t.c.baseline_label.is_(None), Rival.NONE.value),
        (unknown, Rival.UNKNOWN.value),
        (t.c.human_label == t.c.baseline_label, Rival.CORRECT.value),
        else_=Rival.ERROR.value,
    )


# A verdict that came past its due time stays overdue, or what was counted would change.
_TOO_LATE = sa.func.coalesce(evidence.c.decided_at >= evidence.c.due_at, sa.false())
STANDING, RIVAL = _standing(), _rival()
OTHER = sa.case(
    (evidence.c.second.is_(None), Other.NONE.value),
    (evidence.c.verdict.is_(None) | _TOO_LATE, Other.UNKNOWN.value),
    (evidence.c.second == Second.AGREED.value, Other.AGREED.value),
    (evidence.c.second == Second.DISAGREED.value, Other.DISAGREED.value),
    else_=Other.UNKNOWN.value,
)

# Made once: making a statement takes longer than running it. What equals no label is an error.
_SETTLE = (
    sa.update(evidence)
    .where(evidence.c.prediction_id == sa.bindparam("prediction"), evidence.c.verdict.is_(None))
    .values(
        verdict=sa.case(
            (evidence.c.model_label == sa.bindparam("said"), Verdict.CORRECT.value),
            else_=Verdict.ERROR.value,
        ),
        human_label=sa.bindparam("said"),
        reviewer=sa.bindparam("by"),
        decided_at=sa.bindparam("now", type_=evidence.c.decided_at.type),
    )
)


def _columns(texts: Sequence[str], names: Sequence[str]) -> dict[str, list[str | None]]:
    parsed = {text: json.loads(text) for text in set(texts)}
    return {name: [parsed[text].get(name) for text in texts] for name in names}


def _values(row: EvidenceRow) -> dict[str, Any]:
    return {
        "rollout_id": row.rollout_id,
        "stage": row.stage.value,
        "step": row.step,
        "prediction_id": row.prediction_id,
        "version": row.version,
        "model_label": row.model_label,
        "baseline_label": row.baseline_label,
        "inclusion_probability": row.inclusion_probability,
        "sampled": row.sampled,
        "segments": dict(row.segments),
        "due_at": row.due_at,
        "human_label": row.human_label,
        "verdict": row.verdict.value if row.verdict else None,
        "reviewer": row.reviewer,
        "created_at": row.created_at,
        "decided_at": row.decided_at,
        "arm": row.arm.value,
        "drawn": row.drawn,
        "unit": row.unit,
        "epoch": row.epoch,
        "second": row.second.value if row.second else None,
    }


def _row(row: Any) -> EvidenceRow:
    return EvidenceRow(
        rollout_id=row.rollout_id,
        stage=Stage(row.stage),
        step=row.step,
        prediction_id=row.prediction_id,
        version=row.version,
        model_label=row.model_label,
        inclusion_probability=row.inclusion_probability,
        sampled=row.sampled,
        created_at=row.created_at,
        due_at=row.due_at,
        baseline_label=row.baseline_label,
        segments=row.segments,
        verdict=Verdict(row.verdict) if row.verdict else None,
        human_label=row.human_label,
        reviewer=row.reviewer,
        decided_at=row.decided_at,
        arm=Arm(row.arm),
        drawn=row.drawn,
        unit=row.unit,
        epoch=row.epoch,
        second=Second(row.second) if row.second else None,
    )


def _measurement(row: Any) -> DriftMeasurement:
    return DriftMeasurement(
        model=row.model,
        version=row.version,
        window_from=row.window_from,
        window_to=row.window_to,
        rows=row.rows,
        alarm=row.alarm,
        sentence=row.sentence,
        detail=row.detail,
        at=row.at,
    )
