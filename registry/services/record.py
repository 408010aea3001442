"""Write one change of a rollout: the row, the log, the routes and what MLflow is to show."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.ports import UnitOfWork

CONTROLLER = "controller"


def record(
    unit: UnitOfWork,
    before: Rollout | None,
    after: Rollout,
    actor: str,
    action: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> Rollout:
    """Store the change and everything that follows from it in this transaction.

    The clock comes first: its row is the one that every change writes, so that two changes wait
    for each other there and never hold rows that the other needs.
    """
    unit.routing_clock.tick()
    if before is None:
        unit.rollouts.add(after)
    else:
        unit.rollouts.save(after, before.generation)
    unit.audit.append(
        now,
        actor,
        action,
        after.model,
        after.version,
        after.id,
        {
            "from": _place(before) if before else None,
            "to": _place(after),
            "generation": after.generation,
            "plan_digest": after.plan_digest,
            "version_digest": after.version_digest,
            **(detail or {}),
        },
    )
    if before is None or before.stage is not after.stage:
        _show_in_mlflow(unit, before, after, now)
    return after


def set_alias(unit: UnitOfWork, model: str, alias: str, version: int | None, now: datetime) -> None:
    """Ask for an alias of the model to point at a version, or at none."""
    unit.outbox.add("mlflow.alias", {"model": model, "alias": alias, "version": version}, now)


def _show_in_mlflow(
    unit: UnitOfWork, before: Rollout | None, after: Rollout, now: datetime
) -> None:
    if after.active or (before and before.active):
        version = after.version if after.active else None
        set_alias(unit, after.model, "candidate", version, now)
    if after.stage is Stage.LIVE:
        set_alias(unit, after.model, "live", after.version, now)
    payload = {"model": after.model, "version": after.version, "stage": after.stage.value}
    unit.outbox.add("mlflow.stage", payload, now)


def _place(rollout: Rollout) -> dict[str, Any]:
    return {"stage": rollout.stage.value, "step": rollout.step, "weight": rollout.weight}
