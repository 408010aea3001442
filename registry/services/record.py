"""Write one change of a rollout: the row, the log, the routes, and what others are to see of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.documents.rollout_document import last_readings
from registry.domain.news import News, news
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.ports import UnitOfWork

CONTROLLER = "controller"
NOTIFICATION = "notification"


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
            **named(unit, after),
            **(_known(unit, before, now, detail or {}) if before else {}),
            **(detail or {}),
        },
    )
    if before is None or before.stage is not after.stage:
        _show_in_mlflow(unit, before, after, now)
    told = news(before, after, actor, str((detail or {}).get("reason") or ""))
    if told is not None:
        notify(unit, after, told, now, {"actor": actor})
    return after


def set_alias(unit: UnitOfWork, model: str, alias: str, version: int | None, now: datetime) -> None:
    """Ask for an alias of the model to point at a version, or at none."""
    unit.outbox.add("mlflow.alias", {"model": model, "alias": alias, "version": version}, now)


def set_stage(unit: UnitOfWork, model: str, version: int, stage: Stage, now: datetime) -> None:
    """Ask for a version to show its stage."""
    payload = {"model": model, "version": version, "stage": stage.value}
    unit.outbox.add("mlflow.stage", payload, now)


def notify(
    unit: UnitOfWork,
    rollout: Rollout,
    told: News,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Ask for people to be told; it happens once, with this transaction or not at all."""
    payload = {
        "event": told.event.value,
        "model": rollout.model,
        "version": rollout.version,
        "rollout_id": rollout.id,
        "sentence": told.sentence,
        "detail": {**_place(rollout), "generation": rollout.generation, **(detail or {})},
    }
    unit.outbox.add(NOTIFICATION, payload, now)


def say(
    unit: UnitOfWork,
    rollout: Rollout,
    told: News,
    cause: str,
    now: datetime,
    seen: Mapping[str, Any],
) -> None:
    """Log something that changes nothing, and tell people, once for each cause.

    seen: what the gates said by then.
    """
    if said_before(unit, rollout, told.event, cause):
        return
    detail = {"sentence": told.sentence, "cause": cause, **seen}
    note(unit, rollout, CONTROLLER, told.event, now, detail)
    notify(unit, rollout, told, now, {"cause": cause})


def note(
    unit: UnitOfWork,
    rollout: Rollout,
    actor: str,
    action: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    """Log what changes nothing of a rollout, and where it stood when that happened."""
    where = {**_place(rollout), **named(unit, rollout), **_known(unit, rollout, now, detail)}
    name = (rollout.model, rollout.version, rollout.id)
    unit.audit.append(now, actor, action, *name, {**where, **detail})


def named(unit: UnitOfWork, rollout: Rollout) -> dict[str, Any]:
    """What an event is about, so that it tells it by itself."""
    version = unit.versions.get(rollout.model, rollout.version)
    return {
        "plan_digest": rollout.plan_digest,
        "version_digest": rollout.version_digest,
        "environment": dict(version.environment),
    }


def said_before(unit: UnitOfWork, rollout: Rollout, action: str, cause: str) -> bool:
    """Whether the log has this action of this rollout for this very cause."""
    return bool(
        unit.audit.read(rollout.model, 1, rollout_id=rollout.id, action=action, cause=cause)
    )


def _known(
    unit: UnitOfWork, rollout: Rollout, now: datetime, detail: Mapping[str, Any]
) -> dict[str, Any]:
    """Where the evidence stood, and what was last read off the gates if nobody looked at them now.

    A person's abort must not wait until all evidence has been read.
    """
    if not rollout.active and not rollout.watched:
        return {}
    found: dict[str, Any] = {}
    if "log" not in detail:
        found["frontier"] = min(unit.evidence.open(rollout.id, rollout.stage, now), default=None)
    if "gates" not in detail:
        found["readings"] = last_readings(unit.readings.of(rollout.id, rollout.stage))
    return found


def _show_in_mlflow(
    unit: UnitOfWork, before: Rollout | None, after: Rollout, now: datetime
) -> None:
    if after.active or (before and before.active):
        version = after.version if after.active else None
        set_alias(unit, after.model, "candidate", version, now)
    if after.stage is Stage.LIVE:
        set_alias(unit, after.model, "live", after.version, now)
    set_stage(unit, after.model, after.version, after.stage, now)


def _place(rollout: Rollout) -> dict[str, Any]:
    return {"stage": rollout.stage.value, "step": rollout.step, "weight": rollout.weight}
