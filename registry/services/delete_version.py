"""Deleting a version that nothing needs any more; what was decided with it stays on record."""

from datetime import datetime

from registry.domain.errors import StageConflict
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork

TOPIC = "mlflow.delete"


def delete_version(
    unit: UnitOfWork, model: str, number: int, actor: str, reason: str, now: datetime
) -> ModelVersion:
    """Take a version out of every list; MLflow follows through the outbox.

    StageConflict while it answers, may have to answer, or is compared with. Its number is never
    used again. Audit log, evidence and certificates of its rollouts stay.
    """
    unit.routing_clock.tick()  # first, as in `record`: nobody starts a rollout of it meanwhile
    version = unit.versions.get(model, number)
    if needed := _needed(unit, version):
        raise StageConflict(needed)
    unit.versions.remove(model, number, now)
    detail = {"digest": version.digest, "run_id": version.run_id, "reason": reason}
    unit.audit.append(now, actor, "deleted", model, number, detail=detail)
    unit.outbox.add(TOPIC, {"model": model, "version": number}, now)
    return version


def _needed(unit: UnitOfWork, version: ModelVersion) -> str | None:
    """What the version is needed for, and what to do about it."""
    model, number = version.model, version.version
    live, previous = unit.live.get(model)
    if number == live:
        return f"{version.name} is live; take another version live first"
    if number == previous:
        return (
            f"{version.name} was live before {model}@{live} and `rollout undo` returns to it; "
            "it can be deleted once another version is live"
        )
    rollout = unit.rollouts.active(model)
    if rollout is not None and number == rollout.version:
        return f"{version.name} is a candidate, in {rollout.stage.words}; abort its rollout first"
    if rollout is not None and number == rollout.baseline:
        return f"{version.name} is what {model}@{rollout.version} is compared with; end that first"
    return None
