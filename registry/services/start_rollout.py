"""Start a rollout in the first stage of its plan."""

from datetime import datetime

from registry.documents.plan_record import plan_digest
from registry.domain.errors import Conflict, Invalid, StageConflict
from registry.domain.plan import Plan
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Command, check_stage
from registry.ports import UnitOfWork
from registry.services.record import record


def start_rollout(
    unit: UnitOfWork, plan: Plan, actor: str, now: datetime, rollout_id: str, salt: str
) -> Rollout:
    """Make the plan's version the model's one candidate; the salt decides who meets it first."""
    version = unit.versions.get(plan.model, plan.version)
    unit.routing_clock.tick()  # first, as in `record`: the live version read below stays live
    active = unit.rollouts.active(plan.model)
    if active is not None:
        raise Conflict(
            f"{plan.model}@{active.version} is already a candidate, in {active.stage}; abort it "
            "first, or wait until it is live"
        )
    _check_start(unit, plan)
    rollout = Rollout(
        id=rollout_id,
        model=plan.model,
        version=plan.version,
        version_digest=version.digest,
        baseline=_baseline(unit, plan),
        plan=plan,
        plan_digest=plan_digest(plan),
        salt=salt,
        stage=plan.stages[0].stage,
        step=0,
        generation=1,
        started_by=actor,
        started_at=now,
        stage_since=now,
        step_since=now,
    )
    detail = {"author": version.author, "environment": dict(version.environment)}
    return record(unit, None, rollout, actor, "started", now, detail)


def _check_start(unit: UnitOfWork, plan: Plan) -> None:
    """A version stands where its last rollout ended; without one it is only registered."""
    last = unit.rollouts.of_version(plan.model, plan.version)
    if last is None or last.stage is Stage.LIVE:  # what is live is refused with the baseline
        return
    if last.stage is Stage.REJECTED:
        raise StageConflict(
            f"{plan.model}@{plan.version} was rejected; register a new version and name it in the "
            "plan"
        )
    check_stage(f"{plan.model}@{plan.version}", last.stage, Command.START)


def _baseline(unit: UnitOfWork, plan: Plan) -> int | None:
    live, _ = unit.live.get(plan.model)
    if live == plan.version:
        raise Conflict(f"{plan.model}@{live} is live already; name another version in the plan")
    if plan.baseline == "none":
        return None
    if plan.baseline == "live":
        if live is None:
            raise Invalid(
                f"{plan.model} has no live version to be the baseline; write `baseline: none`"
            )
        return live
    baseline = int(plan.baseline)
    if baseline == plan.version:
        raise Invalid(f"version {baseline} cannot be its own baseline; write another, or `none`")
    return unit.versions.get(plan.model, baseline).version
