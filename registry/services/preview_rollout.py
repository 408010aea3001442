"""A dry run: what starting a plan would change, cost and lead to. Nothing is written."""

from dataclasses import dataclass

from registry.documents.plan_difference import differences
from registry.domain.decision import spoken
from registry.domain.forecast import WEEK, StageForecast, Traffic, forecast
from registry.domain.plan import Plan
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork
from registry.services.start_rollout import (
    RequireLevel,
    baseline_of,
    flag_objections,
    objections,
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen.

    objections: why it could not be started now. compared_with: the rollout whose plan
    `differences` are about.
    """

    model: str
    version: int
    baseline: int | None
    standing: str
    objections: tuple[str, ...]
    traffic: str
    requests_per_day: float
    compared_with: str | None
    differences: tuple[str, ...]
    stages: tuple[StageForecast, ...]


def preview(unit: UnitOfWork, plan: Plan, traffic: Traffic, require_level: RequireLevel) -> Preview:
    """Look at a plan beside what runs; only reads."""
    running = _running(unit, plan)
    against = (*objections(unit, plan), *flag_objections(unit, plan, require_level))
    baseline = baseline_of(unit, plan)
    return Preview(
        model=plan.model,
        version=plan.version,
        baseline=baseline,
        standing=_standing(unit, plan),
        objections=tuple(str(error) for _, error in against),
        traffic=_spoken_traffic(plan.model, traffic),
        requests_per_day=round(traffic.per_day, 1),
        compared_with=f"{running.model}@{running.version}" if running else None,
        differences=differences(running.plan if running else None, plan),
        stages=forecast(plan, baseline, traffic),
    )


def _running(unit: UnitOfWork, plan: Plan) -> Rollout | None:
    return unit.rollouts.active(plan.model) or unit.rollouts.live(plan.model)


def _standing(unit: UnitOfWork, plan: Plan) -> str:
    live, _ = unit.live.get(plan.model)
    active = unit.rollouts.active(plan.model)
    now = f"{plan.model}@{live} is live" if live else f"no version of {plan.model} is live"
    if active is not None:
        return f"{now}, and {plan.model}@{active.version} is a candidate in {active.stage.words}"
    return f"{now}; {plan.model}@{plan.version} would start in {plan.stages[0].stage.words}"


def _spoken_traffic(model: str, traffic: Traffic) -> str:
    if not traffic.per_day:
        return f"{model} has had no requests in the last week, so no days can be forecast"
    since = f"the {spoken(traffic.days * 86_400)} since the first"
    over = "the last week" if traffic.days >= WEEK else since
    return f"{model} has about {traffic.per_day:,.0f} requests a day, over {over}"
