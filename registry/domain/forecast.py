"""What a plan will ask of people and how long it will take, before it is started."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from registry.domain import evalues
from registry.domain.deadlines import what_happens
from registry.domain.decision import spoken
from registry.domain.drift_gate import ENOUGH_INPUTS
from registry.domain.plan import Answers, GateSpec, Plan, Review, Scope, StagePlan
from registry.domain.stages import Stage

WEEK = 7.0  # days
_DAY = 86_400.0
# What is assumed of a candidate that deserves to pass: two fifths of the errors that are allowed.
ASSUMED_SHARE_OF_BOUND = 0.4


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


@dataclass(frozen=True, slots=True)
class GateForecast:
    """How many reviews and days a gate is expected to need; None where nobody can know."""

    type: str
    reviews: int | None
    days: float | None
    sentence: str


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


def reviews_needed(bound: float, inclusion: float, alpha: float, rate: float) -> int | None:
    """About how many answers pass the error-rate gate at this error rate; None: too many.

    Of these answers `inclusion` is the share that is reviewed.

    >>> reviews_needed(0.05, 1.0, 0.05, rate=0.0)
    74
    """
    little = 1e-6  # a rate is told as a ratio; so little of it weighs nothing
    if inclusion >= 1:
        return evalues.more_reviews(rate * little, little, bound, alpha)  # type: ignore[arg-type]
    share = rate * inclusion
    losses, counts = np.array([0.0, 1 / inclusion]), np.array([1 - share, share]) * little
    return evalues.more_answers(losses, inclusion, bound, alpha, counts)


def _stage(plan: Plan, part: StagePlan, baseline: int | None, traffic: Traffic) -> StageForecast:
    exposure, share = _exposure(plan, part, baseline, traffic)
    per_day = traffic.per_day * share
    limit = part.scope.at_most_per_day
    per_day = per_day if limit is None else min(per_day, limit)
    return StageForecast(
        stage=part.stage,
        exposure=exposure,
        answers_per_day=round(per_day, 1),
        gates=()
        if part.stage is Stage.LIVE
        else tuple(_gate(spec, plan, part.review, per_day) for spec in part.gates),
        at_least_seconds=part.advance.after_seconds + sum(s.bake_seconds for s in part.steps),
        deadline=_deadline(part, baseline),
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


def _gate(spec: GateSpec, plan: Plan, review: Review, per_day: float) -> GateForecast:
    if spec.type == "error-rate":
        each = plan.segments if spec.options.get("per_segment") else ()
        return _error_rate(float(str(spec.options["at_most"])), plan, review, per_day, each)
    if spec.type == "drift":
        days = _days(ENOUGH_INPUTS, per_day)
        said = f"drift: needs {ENOUGH_INPUTS} inputs of this stage{_spoken_days(days)}"
        return GateForecast(spec.type, 0, days, said)
    return GateForecast(
        spec.type, None, None, f"{spec.type}: depends on what both versions do; no forecast"
    )


def _error_rate(
    bound: float, plan: Plan, review: Review, per_day: float, segments: tuple[str, ...]
) -> GateForecast:
    inclusion = min(review.sample, review.flagged)
    alpha = round(1 - plan.defaults.confidence, 12)
    assumed = bound * ASSUMED_SHARE_OF_BOUND
    if inclusion <= 0:
        return GateForecast("error-rate", None, None, "error rate: nothing would be reviewed")
    best = reviews_needed(bound, inclusion, alpha, rate=0.0)
    answers = reviews_needed(bound, inclusion, alpha, rate=assumed)
    if best is None or answers is None:
        return GateForecast("error-rate", None, None, f"error rate: {bound:g} needs too many")
    reviews, least = math.ceil(answers * inclusion), math.ceil(best * inclusion)
    days = _days(answers, per_day)
    each = f", and as many for each value of {' and '.join(segments)}" if segments else ""
    sentence = (
        f"error rate below {bound:g}: about {reviews} reviews if {assumed:.2g} of the answers are "
        f"wrong, {least} if none is{each}{_spoken_visits(plan)}{_spoken_days(days)}"
    )
    return GateForecast("error-rate", reviews, days, sentence)


def _days(answers: int, per_day: float) -> float | None:
    return round(answers / per_day, 2) if per_day else None


def _spoken_visits(plan: Plan) -> str:
    if not plan.visit_seconds:
        return ""
    return f", each {plan.unit} counted once in {spoken(plan.visit_seconds)}"


def _spoken_days(days: float | None) -> str:
    if days is None:
        return "; no traffic yet, so nobody knows how long that takes"
    return f"; about {spoken(days * _DAY)} at the present traffic"


def _deadline(part: StagePlan, baseline: int | None) -> str:
    if part.stage is Stage.LIVE:
        return ""
    if part.deadline is None:
        return "no deadline"
    after, does = spoken(part.deadline.after_seconds), what_happens(part.deadline, baseline)
    return f"after {after} in {part.stage.words}, if nobody acts, {does}"
