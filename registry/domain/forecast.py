"""What a plan will ask of people and how long it will take, before it is started."""

from dataclasses import dataclass
from typing import Protocol

from registry.domain.deadlines import what_happens
from registry.domain.decision import spoken
from registry.domain.gate_forecasts import GateForecast, Setting, forecast_gate
from registry.domain.plan import Answers, Plan, Scope, StagePlan
from registry.domain.stages import Stage

WEEK = 7.0  # days


class Traffic(Protocol):
    """What is known of a model's requests."""

    @property
    def per_day(self) -> float:
        """Requests a day, over the last week or since the first one; 0 if there was none."""

    @property
    def days(self) -> float:
        """How many days that was counted over."""

    def share_in(self, scope: Scope) -> float:
        """Which share of the requests a scope would have admitted, its daily limit aside."""

    def share_with(self, attribute: str) -> float:
        """Which share of the requests carried an attribute."""

    def values_per_day(self, attribute: str) -> float:
        """How many values of an attribute are met a day, each counted once."""

    def share_first(self, attribute: str, seconds: float) -> float:
        """Which share of the requests is the first of its value within some time, or has none."""


@dataclass(frozen=True, slots=True)
class StageForecast:
    """What one stage means: who is answered, how much review, and what its deadline does."""

    stage: Stage
    exposure: str
    answers_per_day: float
    gates: tuple[GateForecast, ...]
    at_least_seconds: float
    deadline: str


def forecast(plan: Plan, baseline: int | None, traffic: Traffic) -> tuple[StageForecast, ...]:
    """Each stage of a plan at the present traffic."""
    return tuple(_stage(plan, part, baseline, traffic) for part in plan.stages)


def _stage(plan: Plan, part: StagePlan, baseline: int | None, traffic: Traffic) -> StageForecast:
    exposure, share = _exposure(plan, part, baseline, traffic)
    per_day = traffic.per_day * share
    limit = part.scope.at_most_per_day
    per_day = per_day if limit is None else min(per_day, limit)
    setting = _setting(plan, part, baseline, traffic, per_day)
    return StageForecast(
        stage=part.stage,
        exposure=exposure,
        answers_per_day=round(per_day, 1),
        gates=()
        if part.stage is Stage.LIVE
        else tuple(forecast_gate(spec, setting) for spec in part.gates),
        at_least_seconds=part.advance.after_seconds + sum(s.bake_seconds for s in part.steps),
        deadline=_deadline(part, baseline),
    )


def _setting(
    plan: Plan, part: StagePlan, baseline: int | None, traffic: Traffic, per_day: float
) -> Setting:
    """Traffic gates count units; without the plan's `unit`, nobody is drawn by lot."""
    compared = part.stage is Stage.GRADUAL and baseline is not None
    return Setting(
        plan=plan,
        review=part.review,
        answers=per_day,
        counted=per_day * (traffic.share_first(plan.unit, plan.visit_seconds) if plan.unit else 1),
        units=traffic.values_per_day(plan.unit) if plan.unit else 0.0,
        share=part.steps[0].weight / 100 if compared else 1.0,
        shadow=part.stage is Stage.MANUAL_REVIEW,
    )


def _exposure(
    plan: Plan, part: StagePlan, baseline: int | None, traffic: Traffic
) -> tuple[str, float]:
    """Who meets the candidate, and which share of the requests that is."""
    if part.stage is Stage.MANUAL_REVIEW:
        if baseline is None:
            return "a person answers every request; the candidate is compared with them", 1.0
        return f"version {baseline} answers everything; the candidate runs in shadow", 1.0
    if part.stage is Stage.LIMITED_SCOPE:
        share = traffic.share_in(part.scope)
        known = f" ({share:.0%} of the requests so far)" if traffic.per_day else ""
        what = "is shown to a person first" if part.answers is Answers.AFTER_APPROVAL else "answers"
        return f"the candidate {what} inside its scope{known}", share
    if part.stage is Stage.GRADUAL:
        weights = ", ".join(f"{step.weight:g} %" for step in part.steps)
        share = part.steps[0].weight / 100 * (traffic.share_with(plan.unit) if plan.unit else 0.0)
        return f"the candidate answers {weights} of the values of {plan.unit}", share
    if part.watch_seconds is None:
        return "the candidate answers everything", 1.0
    watch = spoken(part.watch_seconds)
    return f"the candidate answers everything; for {watch} harm takes it back", 1.0


def _deadline(part: StagePlan, baseline: int | None) -> str:
    if part.stage is Stage.LIVE:
        return ""
    if part.deadline is None:
        return "no deadline"
    after, does = spoken(part.deadline.after_seconds), what_happens(part.deadline, baseline)
    return f"after {after} in {part.stage.words}, if nobody acts, {does}"
