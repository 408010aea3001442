"""Under watch a version answers everything: what it is judged by then, and what says nothing."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from exposure_rows import NOW, an_exposure, exposures_of
from serving_fakes import a_rollout

from registry.documents.plan_file import lint, parse_plan
from registry.domain.evalues import log_harm
from registry.domain.exposure import Exposure
from registry.domain.first_answers import no_answers
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.running import Answers
from registry.domain.stages import Stage
from registry.domain.traffic import Traffic, count, no_traffic, traffic_before
from registry.domain.watching import watch_notes

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: live}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 5}, {weight: 50}]
  review: {sample: 0.1}
  gates:
  - {type: error-rate, at_most: 0.05}
  - {type: failures}
  - {type: latency, p99_ratio_at_most: 1.5}
  - {type: latency, quantile: 0.99, at_most_ms: 800}
  - {type: split}
  - {type: error-ratio, at_most: 1.5}
  - {type: action-rate}
- stage: live
  watch: 30d
"""
FAILURES = GateSpec("failures", {"at_most": 0.01, "ratio_at_most": 2.0})
LIMIT = GateSpec("latency", {"quantile": 0.9, "at_most_ms": 100.0})
DAY = timedelta(days=1)


def test_what_compares_with_a_version_that_answers_nothing_goes_and_lint_says_so() -> None:
    plan = parse_plan(PLAN)
    kept = plan.stage(Stage.LIVE).gates
    assert [gate.type for gate in kept] == ["error-rate", "failures", "latency", "drift"]
    assert kept[2].options == {"quantile": 0.99, "at_most_ms": 800.0}
    notes = list(watch_notes(plan))
    assert notes[0] == (
        "under watch error-rate and failures (at most 0.01 of the visits) and latency and drift "
        "(which tells people, and takes nothing back) go on judging"
    )
    silent = [note.split()[2] for note in notes[1:]]
    assert silent == ["latency", "split", "error-ratio", "action-rate"]
    assert "a limit goes on, such as `{quantile: 0.99, at_most_ms: 800}`" in notes[1]
    assert list(watch_notes(parse_plan(PLAN.replace("  watch: 30d\n", "")))) == []


def test_a_watch_that_could_find_nothing_is_refused() -> None:
    only = PLAN[: PLAN.index("  - {type: error-rate")] + "  - {type: split}\n"
    (problem,) = lint(only + "- stage: live\n  watch: 30d\n")
    assert problem.line == 11
    assert problem.message == (
        "none of the gates of gradual can find harm once this version answers everything; add one "
        "to them, for example `{type: error-rate, at_most: 0.05}`"
    )
    assert lint(only + "- stage: live\n") == ()


def test_stated_rates_are_judged_under_watch_too() -> None:
    stated = PLAN.replace("action-rate}", "action-rate, against: {bear: 0.2}}")
    assert "action-rate" in [gate.type for gate in parse_plan(stated).stage(Stage.LIVE).gates]


def test_only_what_a_gate_asks_for_is_counted_by_visits() -> None:
    plan = parse_plan(PLAN)
    live = a_rollout(plan.stage(Stage.LIVE), plan=plan, stage=Stage.LIVE)
    first = traffic_before(live).first
    assert first is not None
    assert (first.limits, first.visits.seconds) == ((800.0,), 86_400.0)
    assert traffic_before(live).slow == ()
    limited = replace(plan.stages[0], gates=plan.stages[0].gates[:3])
    gradual = a_rollout(limited, plan=replace(plan, stages=(limited, plan.stages[1])))
    assert traffic_before(gradual).first is None


def counted(*rows: Exposure, visit_seconds: float = 86_400.0) -> Traffic:
    start = no_traffic(first=no_answers(visit_seconds, (100.0,)))
    return count(start, exposures_of(rows))


def said(spec: GateSpec, *rows: Exposure, **changes: object) -> Result:
    evidence = Evidence(
        Answers(), None, Defaults(), NOW + 9 * DAY, traffic=counted(*rows), alone=True
    )
    (judged,) = judge_gates([spec], replace(evidence, **changes))  # type: ignore[arg-type]
    return judged.result


def alone(unit: int, **changes: object) -> Exposure:
    return an_exposure(unit, **{"share": 1.0, "stage": Stage.LIVE, **changes})


def test_failures_are_judged_by_the_visits_that_begin_with_one() -> None:
    good = [alone(unit) for unit in range(400)]
    result = said(FAILURES, *good)
    assert isinstance(result, Passed)
    assert result.sentence == (
        "failures: 0 of 400 visits began with one: below 0.01 of them at confidence 0.95"
    )
    bad = [alone(unit, failed=True, answer_ms=None) for unit in range(500, 520)]
    found = said(FAILURES, *good, *bad)
    assert isinstance(found, Failed)
    assert "20 of 420 visits began with one: above 0.01" in found.sentence
    assert found.numbers["log_e_harm"] == pytest.approx(float(log_harm(20, 420, 0.01)))
    one = [alone(7, failed=True, answer_ms=None)] * 500
    assert not isinstance(said(FAILURES, *good, *one), Failed)
    assert isinstance(said(FAILURES), Inconclusive)


def test_a_unit_counts_again_on_another_day() -> None:
    days = [alone(7, created_at=NOW + n * DAY / 4) for n in range(9)]
    first = counted(*days).first
    assert first is not None
    assert first.answers == 3


def test_what_lets_a_limit_pass_waits_for_answers_that_are_still_out() -> None:
    rows = [alone(unit, answer_ms=20.0) for unit in range(100)]
    assert isinstance(said(LIMIT, *rows), Passed)
    young = said(LIMIT, *rows, now=NOW + timedelta(seconds=30))
    assert isinstance(young, Inconclusive)
    assert young.numbers["settled"] == 0


def test_slow_and_failed_answers_are_above_a_limit() -> None:
    slow = [alone(unit, answer_ms=101.0) for unit in range(10)]
    failed = [alone(unit, failed=True, answer_ms=3.0) for unit in range(10, 20)]
    quick = [alone(unit, answer_ms=99.0) for unit in range(20, 40)]
    result = said(LIMIT, *slow, *failed, *quick)
    assert isinstance(result, Failed)
    assert result.sentence == (
        "latency (p90 at most 100 ms): 20 of 40 visits began with an answer above 100 ms: above "
        "0.1 of them at confidence 0.99"
    )
    held = [alone(unit, answer_ms=None, action=None) for unit in range(50, 500)]
    assert said(LIMIT, *slow, *held).numbers["visits"] == 10  # nothing was asked of a version


def test_a_limit_needs_no_baseline_and_stands_in_limited_scope_too() -> None:
    text = PLAN.replace("baseline: live", "baseline: none")
    limited = text[: text.index("- stage: gradual")] + (
        "- stage: limited-scope\n"
        "  scope: {where: {site: [ranger-7]}}\n"
        "  gates: [{type: latency, quantile: 0.95, at_most_ms: 200}]\n"
        "  deadline: {after: 14d, then: hold}\n"
    )
    assert lint(limited) == ()
    (problem,) = lint(limited.replace("quantile: 0.95, ", ""))
    assert "a latency gate needs one quantile and what it may be at most" in problem.message


def test_a_version_on_its_limits_is_taken_back_no_more_often_than_stated() -> None:
    rng, runs, visits = np.random.default_rng(4), 300, 2_000
    failed = (rng.random((runs, visits)) < 0.01).cumsum(axis=1)
    found = log_harm(failed, np.arange(1, visits + 1), 0.01) >= np.log(100)
    assert found.any(axis=1).mean() <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / runs)
