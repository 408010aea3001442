"""Start a rollout in the first stage of its plan."""

from collections.abc import Callable, Iterator
from datetime import datetime

from registry.documents.plan_record import plan_digest
from registry.documents.plan_yaml import Path
from registry.domain.errors import Conflict, Invalid, NotFound, StageConflict, StagegateError
from registry.domain.plan import Plan
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Command, check_stage
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork
from registry.services.record import record

# Raises Invalid if a version cannot flag inputs at a level; monitoring knows.
RequireLevel = Callable[[ModelVersion, float], None]


def start_rollout(
    unit: UnitOfWork, plan: Plan, actor: str, now: datetime, rollout_id: str, salt: str
) -> Rollout:
    """Make the plan's version the model's one candidate; the salt decides who meets it first."""
    unit.routing_clock.tick()  # first, as in `record`: the live version read below stays live
    for _, error in objections(unit, plan):
        raise error
    version = unit.versions.get(plan.model, plan.version)
    rollout = Rollout(
        id=rollout_id,
        model=plan.model,
        version=plan.version,
        version_digest=version.digest,
        baseline=baseline_of(unit, plan),
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
    detail = {"author": version.author, "baseline": rollout.baseline}
    return record(unit, None, rollout, actor, "started", now, detail)


def objections(unit: UnitOfWork, plan: Plan) -> Iterator[tuple[Path, StagegateError]]:
    """Why the plan cannot be started as things stand, each with the place in the plan."""
    name = f"{plan.model}@{plan.version}"
    try:
        unit.versions.get(plan.model, plan.version)
    except NotFound as error:
        yield ("model", "version"), error
        return
    active = unit.rollouts.active(plan.model)
    if active is not None:
        yield (
            ("model", "version"),
            Conflict(
                f"{plan.model}@{active.version} is already a candidate, in {active.stage.words}; "
                "abort it first, or wait until it is live"
            ),
        )
    if unit.live.get(plan.model)[0] == plan.version:
        yield (
            ("model", "version"),
            Conflict(f"{name} is live already; name another version in the plan"),
        )
    elif objection := _objection_to_version(unit, plan, name):
        yield ("model", "version"), objection
    if objection := _objection_to_baseline(unit, plan):
        yield ("model", "baseline"), objection


def flag_objections(
    unit: UnitOfWork, plan: Plan, require_level: RequireLevel
) -> Iterator[tuple[Path, StagegateError]]:
    """Why the plan's version cannot flag inputs as finely as the plan asks.

    Apart from the others, since it reads files: nobody may be kept from writing meanwhile.
    """
    level = plan.flags.out_of_domain
    if level is None:
        return
    try:
        version = unit.versions.get(plan.model, plan.version)
    except NotFound:
        return  # `objections` says so
    try:
        require_level(version, level)
    except (Invalid, NotFound) as error:
        yield ("flags", "out_of_domain"), error


def baseline_of(unit: UnitOfWork, plan: Plan) -> int | None:
    """The version that the plan means by its baseline; None without one."""
    if plan.baseline == "none":
        return None
    return unit.live.get(plan.model)[0] if plan.baseline == "live" else int(plan.baseline)


def _objection_to_version(unit: UnitOfWork, plan: Plan, name: str) -> StagegateError | None:
    """A version stands where its last rollout ended; without one it is only registered."""
    last = unit.rollouts.of_version(plan.model, plan.version)
    if last is None or last.active:
        return None
    if last.stage is Stage.REJECTED:
        return StageConflict(f"{name} was rejected; register a new version and name it in the plan")
    try:
        check_stage(name, last.stage, Command.START)
    except StageConflict as error:
        return error
    return None


def _objection_to_baseline(unit: UnitOfWork, plan: Plan) -> StagegateError | None:
    baseline = baseline_of(unit, plan)
    if baseline is None:
        if plan.baseline == "none":
            return None
        return Invalid(
            f"{plan.model} has no live version to be the baseline; write `baseline: none`"
        )
    if baseline == plan.version and plan.baseline != "live":
        return Invalid(f"version {baseline} cannot be its own baseline; write another, or `none`")
    try:
        beside = unit.versions.get(plan.model, baseline)
    except NotFound as error:
        return error
    return _objection_to_comparing(unit, plan, beside)


def _objection_to_comparing(
    unit: UnitOfWork, plan: Plan, baseline: ModelVersion
) -> StagegateError | None:
    """One label and several are never the same answer, whatever the models see."""
    try:
        version = unit.versions.get(plan.model, plan.version)
    except NotFound:
        return None  # said of the version itself
    if (version.threshold is None) == (baseline.threshold is None):
        return None
    return Invalid(
        f"{version.name} and its baseline {baseline.name} cannot be compared: one answers with one"
        " label, the other with several; write `baseline: none`, or register it under another name"
    )
