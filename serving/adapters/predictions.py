"""The prediction log in the database; a held request is answered by one compare-and-set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.domain.errors import Conflict, NotFound
from registry.domain.plan import Late
from registry.domain.stages import Stage
from serving.adapters.rows import flags_in, flags_out, label_in, label_out
from serving.adapters.tables import prediction as t
from serving.adapters.tables import shadow_record
from serving.domain.prediction import DecidedBy, Fallback, Label, Prediction, ShadowRecord, Status

_INSERT = sa.insert(t)


class SqlPredictions:
    """Implements serving.ports.Predictions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, *predictions: Prediction) -> None:
        """Store requests; Conflict if the idempotency key of one is taken."""
        try:
            self._connection.execute(_INSERT, [_values(one) for one in predictions])
        except sa.exc.IntegrityError as error:
            keys = ", ".join(repr(one.idempotency_key) for one in predictions)
            raise Conflict(
                f"The Idempotency-Key {keys} is taken by another request to {predictions[0].model}."
            ) from error

    def add_shadow(self, *shadows: ShadowRecord) -> None:
        """Store what shadows said."""
        rows = [
            {
                "prediction_id": shadow.prediction_id,
                "version": shadow.version,
                "answer": label_out(shadow.said),
                "p_value": shadow.p_value,
                "failure": shadow.failure,
                "created_at": shadow.created_at,
            }
            for shadow in shadows
        ]
        self._connection.execute(sa.insert(shadow_record), rows)

    def get(self, prediction_id: str) -> Prediction:
        """One request; NotFound if there is none."""
        found = self.find(prediction_id)
        if found is None:
            raise NotFound(f"There is no prediction {prediction_id!r}.")
        return found

    def find(self, prediction_id: str) -> Prediction | None:
        """One request, if there is one."""
        return self._first(t.c.id == prediction_id)

    def by_key(self, model: str, idempotency_key: str) -> Prediction | None:
        """The request that used this key before."""
        return self._first(t.c.model == model, t.c.idempotency_key == idempotency_key)

    def settle(
        self, prediction_id: str, label: Label, decided_by: DecidedBy, now: datetime
    ) -> Prediction | None:
        """Answer a held request, which it gives, unless something else was faster."""
        values = {"said": label_out(label), "by": decided_by, "now": now}
        row = self._connection.execute(_SETTLE, {"prediction": prediction_id, **values}).first()
        return None if row is None else _prediction(row)

    def settle_late(self, prediction: Prediction, fallback: Fallback, now: datetime) -> bool:
        """Give a held request its fallback, unless something else was faster."""
        return self._leave_held(
            prediction.id,
            status=Status.FINAL,
            final_at=now,
            answer=label_out(fallback.label),
            version=fallback.version,
            decided_by=fallback.decided_by,
        )

    def settled(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these requests are no longer held."""
        query = sa.select(t.c.id).where(t.c.id.in_(ids), t.c.status != Status.HELD)
        return frozenset(self._connection.execute(query).scalars())

    def amend(self, prediction_id: str, label: Label, now: datetime) -> bool:
        """Add a person's answer to one that a fallback has given; once."""
        late = (
            t.c.id == prediction_id, t.c.status == Status.FINAL, t.c.due_at.is_not(None),
            t.c.decided_by != DecidedBy.HUMAN, t.c.amended_at.is_(None),
        )  # fmt: skip
        amended = {"amended_answer": label_out(label), "amended_at": now}
        changed = self._connection.execute(sa.update(t).where(*late).values(amended))
        return changed.rowcount == 1

    def cancel(self, prediction_id: str, now: datetime) -> bool:
        """Cancel a held request, unless it has been answered."""
        return self._leave_held(prediction_id, status=Status.CANCELLED, final_at=now)

    def overdue(self, now: datetime, limit: int) -> Sequence[Prediction]:
        """Held requests past their due time, the oldest first."""
        late = sa.select(t).where(t.c.status == Status.HELD, t.c.due_at <= now)
        rows = self._connection.execute(late.order_by(t.c.due_at, t.c.id).limit(limit))
        return [_prediction(row) for row in rows]

    def _leave_held(self, prediction_id: str, **values: object) -> bool:
        held = (t.c.id == prediction_id, t.c.status == Status.HELD)
        changed = self._connection.execute(sa.update(t).where(*held).values(**values))
        return changed.rowcount == 1

    def _first(self, *where: sa.ColumnElement[bool]) -> Prediction | None:
        row = self._connection.execute(sa.select(t).where(*where)).first()
        return None if row is None else _prediction(row)


# What every answer runs, made once: making a statement takes longer than running it.
_SETTLE = (
    sa.update(t)
    .where(t.c.id == sa.bindparam("prediction"), t.c.status == Status.HELD.value)
    .values(
        status=Status.FINAL.value,
        answer=sa.bindparam("said", type_=t.c.answer.type),
        decided_by=sa.bindparam("by"),
        final_at=sa.bindparam("now", type_=t.c.final_at.type),
    )
    .returning(*t.c)
)


def _values(p: Prediction) -> dict[str, Any]:
    return {
        "id": p.id,
        "model": p.model,
        "version": p.version,
        "candidate": p.candidate,
        "rollout_id": p.rollout_id,
        "stage": p.stage,
        "reason": p.reason,
        "attributes": dict(p.attributes),
        "payload_digest": p.payload_digest,
        "payload_type": p.payload_type,
        "status": p.status,
        "model_answer": label_out(p.model_answer),
        "fallback_answer": label_out(p.fallback.label if p.fallback else None),
        "fallback_version": p.fallback.version if p.fallback else None,
        "fallback_decided_by": p.fallback.decided_by if p.fallback else None,
        "answer": label_out(p.answer),
        "decided_by": p.decided_by,
        "flags": flags_out(p.flags),
        "p_value": p.p_value,
        "threshold": p.threshold,
        "random_number": p.random_number,
        "inclusion_probability": p.inclusion_probability,
        "due_at": p.due_at,
        "late": p.late,
        "idempotency_key": p.idempotency_key,
        "request_digest": p.request_digest,
        "created_at": p.created_at,
        "final_at": p.final_at,
        "amended_answer": label_out(p.amended),
        "amended_at": p.amended_at,
    }


def _prediction(row: Any) -> Prediction:
    return Prediction(
        id=row.id,
        model=row.model,
        version=row.version,
        candidate=row.candidate,
        rollout_id=row.rollout_id,
        stage=Stage(row.stage),
        reason=row.reason,
        attributes=row.attributes,
        payload_digest=row.payload_digest,
        payload_type=row.payload_type,
        status=Status(row.status),
        model_answer=label_in(row.model_answer),
        fallback=_fallback(row),
        answer=label_in(row.answer),
        decided_by=DecidedBy(row.decided_by) if row.decided_by else None,
        flags=flags_in(row.flags),
        p_value=row.p_value,
        threshold=row.threshold,
        random_number=row.random_number,
        inclusion_probability=row.inclusion_probability,
        due_at=row.due_at,
        late=Late(row.late) if row.late else None,
        idempotency_key=row.idempotency_key,
        request_digest=row.request_digest,
        created_at=row.created_at,
        final_at=row.final_at,
        amended=label_in(row.amended_answer),
        amended_at=row.amended_at,
    )


def _fallback(row: Any) -> Fallback | None:
    label = label_in(row.fallback_answer)
    if label is None:
        return None
    return Fallback(label, row.fallback_version, DecidedBy(row.fallback_decided_by))
