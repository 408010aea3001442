"""What a plan will ask of people, foretold by the formulas that its gates decide with."""

from dataclasses import dataclass

import pytest

from registry.documents.plan_difference import differences
from registry.documents.plan_file import parse_plan
from registry.domain.evalues import log_pass
from registry.domain.forecast import StageForecast, forecast, reviews_needed
from registry.domain.plan import Scope
from registry.domain.stages import Stage

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: live}
unit: user_id
segments: [site]
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 30d, then: roll-back}
- stage: limited-scope
  scope: {where: {site: [ranger-7]}, at_most: 20/day}
  review: {sample: 1.0}
  gates: [{type: error-rate, at_most: 0.05, per_segment: true}, {type: drift}]
  deadline: {after: 14d, then: hold}
- stage: gradual
  steps: [{weight: 5, bake: 24h}, {weight: 100, bake: 48h}]
  review: {sample: 0.1}
  gates: [{type: error-rate, at_most: 0.05}]
- stage: live
  watch: 30d
"""


@dataclass(frozen=True)
class SomeTraffic:
    per_day: float = 1_000.0
    days: float = 7.0

    def share_in(self, scope: Scope) -> float:
        return 0.25

    def share_with(self, attribute: str) -> float:
        return 0.5


def stages(**traffic: float) -> dict[Stage, StageForecast]:
    return {s.stage: s for s in forecast(parse_plan(PLAN), 1, SomeTraffic(**traffic))}


def test_the_forecast_is_where_the_gate_passes() -> None:
    needed = reviews_needed(0.05, 1.0, 0.05, rate=0.02)
    assert needed is not None
    assert log_pass(0.02 * needed, needed, 0.05) == pytest.approx(2.9957, abs=0.02)
    assert 200 < needed < 350  # the median of simulated gates is 249
    assert reviews_needed(0.05, 1.0, 0.05, rate=0.0) == 74


def test_a_sample_needs_more_answers_and_a_rate_at_the_bound_never_passes() -> None:
    all_of_them = reviews_needed(0.05, 1.0, 0.05, rate=0.02)
    sampled = reviews_needed(0.05, 0.1, 0.05, rate=0.02)
    assert all_of_them is not None
    assert sampled is not None
    assert sampled > 5 * all_of_them
    assert reviews_needed(0.05, 1.0, 0.05, rate=0.05) is None


def test_the_days_follow_from_who_meets_the_candidate() -> None:
    found = stages()
    assert found[Stage.MANUAL_REVIEW].answers_per_day == 1_000
    assert found[Stage.LIMITED_SCOPE].answers_per_day == 20  # a quarter, but 20 a day at most
    assert found[Stage.GRADUAL].answers_per_day == 25  # 5 % of the half that has a user_id
    (gate,) = found[Stage.MANUAL_REVIEW].gates
    assert gate.reviews is not None
    assert gate.days == pytest.approx(gate.reviews / 1_000, abs=0.01)
    by_segment, drift = found[Stage.LIMITED_SCOPE].gates
    assert "and as many for each value of site" in by_segment.sentence
    assert (drift.reviews, drift.days) == (0, 1.5)
    assert found[Stage.LIVE].gates == ()
    assert "for 30 d harm takes it back" in found[Stage.LIVE].exposure


def test_what_each_deadline_does_is_said_beforehand() -> None:
    found = stages()
    assert found[Stage.MANUAL_REVIEW].deadline == (
        "after 30 d in manual review, if nobody acts, it expires and version 1 answers everything"
    )
    assert found[Stage.LIMITED_SCOPE].deadline.endswith("if nobody acts, it is paused where it is")
    assert found[Stage.GRADUAL].deadline == "no deadline"


def test_without_traffic_no_days_are_made_up() -> None:
    for stage in stages(per_day=0.0).values():
        for gate in stage.gates:
            assert gate.days is None
            assert "no traffic yet, so nobody knows how long that takes" in gate.sentence


def test_a_difference_is_told_stage_by_stage() -> None:
    old = parse_plan(PLAN)
    new = PLAN.replace(
        "at_most: 0.05}]\n  deadline: {after: 30d", "at_most: 0.03}]\n  deadline: {after: 9d"
    )
    new = new.replace(
        "  scope: {where: {site: [ranger-7]}, at_most: 20/day}",
        "  scope: {where: {site: [ranger-9]}}",
    )
    new = new.replace("unit: user_id", "unit: herd")
    assert differences(old, old) == ()
    assert differences(old, parse_plan(new)) == (
        "the plan: unit goes from user_id to herd",
        "manual-review: deadline.after_seconds goes from 2592000.0 to 777600.0",
        'manual-review: gate error-rate goes from {"at_most": 0.05, "per_segment": false, '
        '"reviewers": "faultless", '
        '"dry_run": false} to {"at_most": 0.03, "per_segment": false, '
        '"reviewers": "faultless", "dry_run": false}',
        "limited-scope: scope.at_most_per_day is dropped, it was 20",
        'limited-scope: scope.where.site goes from ["ranger-7"] to ["ranger-9"]',
    )
    short = PLAN[: PLAN.index("- stage: limited")]
    assert "limited-scope: dropped" in differences(old, parse_plan(short))
    assert "limited-scope: new" in differences(parse_plan(short), old)
    assert differences(None, parse_plan(short)) == ("manual-review: new", "live: new")
