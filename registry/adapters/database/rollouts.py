"""The rollouts in the database; every change is a compare-and-set on the generation."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.tables import rollout as t
from registry.documents.plan_record import plan_document, plan_from_document
from registry.domain.errors import Conflict
from registry.domain.rollout import Pause, Rollout
from registry.domain.stages import Stage


class SqlRollouts:
    """Implements registry.ports.Rollouts; a model's rollouts are numbered as they come."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, rollout: Rollout) -> None:
        """Store a new rollout; Conflict if the model has an active one."""
        last = sa.select(sa.func.coalesce(sa.func.max(t.c.number), 0))
        number = last.where(t.c.model == rollout.model).scalar_subquery() + 1
        values = {"id": rollout.id, "plan": plan_document(rollout.plan), **_values(rollout)}
        try:
            with self._connection.begin_nested():
                self._connection.execute(sa.insert(t).values(**values, number=number))
        except sa.exc.IntegrityError as error:
            raise Conflict(
                f"{rollout.model} already has an active rollout; abort it or wait for its end"
            ) from error

    def save(self, rollout: Rollout, expected_generation: int) -> None:
        """Compare-and-set on the generation; Conflict if it moved."""
        changed = self._connection.execute(
            sa.update(t)
            .where(t.c.id == rollout.id, t.c.generation == expected_generation)
            .values(**_values(rollout))
        )
        if changed.rowcount != 1:
            raise Conflict(
                f"the rollout of {rollout.model}@{rollout.version} is no longer at generation "
                f"{expected_generation}: somebody else changed it first; look at it again and retry"
            )

    def active(self, model: str) -> Rollout | None:
        """The candidate rollout of a model."""
        return self._first(sa.select(t).where(t.c.active_model == model))

    def all_active(self) -> tuple[Rollout, ...]:
        """Every candidate rollout."""
        query = sa.select(t).where(t.c.active_model.is_not(None)).order_by(t.c.model)
        return tuple(_rollout(row) for row in self._connection.execute(query))

    def all_watched(self) -> tuple[Rollout, ...]:
        """Every live rollout whose watch is not over."""
        watched = (t.c.stage == Stage.LIVE.value, t.c.watched_until.is_not(None))
        query = sa.select(t).where(*watched).order_by(t.c.model)
        return tuple(_rollout(row) for row in self._connection.execute(query))

    def stages(self, model: str) -> Mapping[int, Stage]:
        """The stage of the last rollout of each version that had one."""
        query = sa.select(t.c.version, t.c.stage).where(t.c.model == model)
        rows = self._connection.execute(query.order_by(t.c.number))
        return {row.version: Stage(row.stage) for row in rows}

    def generations(self) -> Mapping[str, int]:
        """The generation of every rollout that there ever was, by its id."""
        query = sa.select(t.c.id, t.c.generation).order_by(t.c.model, t.c.number)
        rows = self._connection.execute(query)
        return {row.id: row.generation for row in rows}

    def latest(self, model: str) -> Rollout | None:
        """The active rollout, else the one that started last."""
        return self.active(model) or self._first(
            sa.select(t).where(t.c.model == model).order_by(t.c.number.desc())
        )

    def live(self, model: str) -> Rollout | None:
        """The rollout in stage live; a model has one at most."""
        return self._first(sa.select(t).where(t.c.model == model, t.c.stage == Stage.LIVE.value))

    def of_version(self, model: str, version: int) -> Rollout | None:
        """The latest rollout of one version."""
        return self._first(
            sa.select(t)
            .where(t.c.model == model, t.c.version == version)
            .order_by(t.c.number.desc())
        )

    def _first(self, query: sa.Select[Any]) -> Rollout | None:
        row = self._connection.execute(query.limit(1)).first()
        return None if row is None else _rollout(row)


def _values(rollout: Rollout) -> dict[str, Any]:
    return {
        "model": rollout.model,
        "version": rollout.version,
        "version_digest": rollout.version_digest,
        "baseline": rollout.baseline,
        "plan_digest": rollout.plan_digest,
        "salt": rollout.salt,
        "stage": rollout.stage.value,
        "step": rollout.step,
        "generation": rollout.generation,
        "paused_by": rollout.paused.by if rollout.paused else None,
        "paused_reason": rollout.paused.reason if rollout.paused else None,
        "started_by": rollout.started_by,
        "started_at": rollout.started_at,
        "stage_since": rollout.stage_since,
        "step_since": rollout.step_since,
        "ended_at": rollout.ended_at,
        "watched_until": rollout.watched_until,
        "baseline_generation": rollout.baseline_generation,
        "active_model": rollout.model if rollout.active else None,
    }


def _rollout(row: Any) -> Rollout:
    paused = None if row.paused_by is None else Pause(row.paused_by, row.paused_reason or "")
    return Rollout(
        id=row.id,
        model=row.model,
        version=row.version,
        version_digest=row.version_digest,
        baseline=row.baseline,
        plan=plan_from_document(row.plan),
        plan_digest=row.plan_digest,
        salt=row.salt,
        stage=Stage(row.stage),
        step=row.step,
        generation=row.generation,
        started_by=row.started_by,
        started_at=row.started_at,
        stage_since=row.stage_since,
        step_since=row.step_since,
        paused=paused,
        ended_at=row.ended_at,
        watched_until=row.watched_until,
        baseline_generation=row.baseline_generation,
    )
