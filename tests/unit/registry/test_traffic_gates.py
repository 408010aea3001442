"""Gates on traffic: they pass on evidence, fail on harm, and hold on silence."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from exposure_rows import NOW, an_exposure, exposures_of
from scipy.special import betaln

from registry.domain import evalues
from registry.domain.exposure import Exposure
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.ratio_evalues import (
    boundary,
    log_ratio_above,
    log_ratio_below,
    log_split,
    mean_of_two,
)
from registry.domain.running import Answers
from registry.domain.traffic import Traffic, count, no_traffic

LATER = NOW + timedelta(hours=1)
FAILURES = GateSpec("failures", {"at_most": 0.01, "ratio_at_most": 2.0})
LATENCY = GateSpec("latency", {"quantile": 0.9, "ratio_at_most": 1.5})
SPLIT = GateSpec("split", {"after_units": 100})
ACTIONS = GateSpec("action-rate", {"ratio": [0.5, 2.0], "against": "baseline", "rare_below": 0.05})
SURE = Defaults(rollback_confidence=1 - 1e-9)
STATED = {"glass": 0.6, "metal": 0.4}
AGAINST_PEOPLE = GateSpec("action-rate", {**ACTIONS.options, "against": STATED})


def verdict(spec: GateSpec, traffic: Traffic, **changes: object) -> Result:
    evidence = Evidence(Answers(), None, Defaults(), LATER, traffic=traffic, baseline=True)
    (judged,) = judge_gates([spec], replace(evidence, **changes))  # type: ignore[arg-type]
    assert all(not isinstance(n, float) or math.isfinite(n) for n in judged.result.numbers.values())
    return judged.result


def arms(mine: list[Exposure], others: list[Exposure]) -> Traffic:
    """Candidate exposures of units from 1 on, and baseline ones of units from 1,000,001 on."""
    renamed = [replace(row, unit=n) for n, row in enumerate(mine, start=1)]
    renamed += [replace(row, unit=n) for n, row in enumerate(others, start=1_000_001)]
    return count(no_traffic([(0.9, 1.5)]), exposures_of(renamed))


def some(times: int, **changes: object) -> list[Exposure]:
    return [an_exposure(**changes)] * times  # type: ignore[arg-type]


def others(times: int, **changes: object) -> list[Exposure]:
    return some(times, candidate=False, **changes)


@pytest.mark.parametrize("spec", [FAILURES, LATENCY, SPLIT, ACTIONS, AGAINST_PEOPLE])
def test_without_any_traffic_a_gate_holds(spec: GateSpec):
    assert isinstance(verdict(spec, no_traffic()), Inconclusive)


@pytest.mark.parametrize("spec", [LATENCY, ACTIONS])
def test_without_a_baseline_there_is_nothing_to_compare_with(spec: GateSpec):
    result = verdict(spec, arms(some(1_000), others(1_000)), baseline=False)
    assert isinstance(result, Inconclusive)
    assert "no baseline" in result.sentence


def test_a_dry_run_says_the_same_and_is_marked():
    evidence = Evidence(Answers(), None, Defaults(), LATER)
    (judged,) = judge_gates([replace(SPLIT, dry_run=True)], evidence)
    assert judged.dry_run


def test_the_evidence_of_counts_is_the_published_formula():
    s_c, s_b, rho = 7, 40, 0.25
    a, b = 200 * rho, 200 * (1 - rho)
    expected = betaln(a + s_c, b + s_b) - betaln(a, b) - s_c * np.log(rho) - s_b * np.log(1 - rho)
    assert float(log_split({rho: (s_c, s_b)})) == pytest.approx(expected)
    one, other = {0.25: (7, 40)}, {0.05: (1, 12)}
    both = log_ratio_below({**one, **other}, 1)
    assert both == pytest.approx(float(log_ratio_below(one, 1) + log_ratio_below(other, 1)))
    assert log_ratio_above(one, 2) == pytest.approx(float(evalues.log_harm(7, 47, 0.4)))
    assert boundary(0.25, 2) == pytest.approx(0.4)


def test_the_mean_of_two_e_values_is_theirs():
    assert float(np.exp(mean_of_two(np.log(3.0), np.log(5.0)))) == pytest.approx(4)


def test_enough_units_without_a_failure_pass_and_one_less_does_not():
    needed = verdict(FAILURES, no_traffic()).numbers["more"]
    assert isinstance(needed, int)
    assert isinstance(verdict(FAILURES, arms(some(needed + 5), others(100))), Passed)
    short = verdict(FAILURES, arms(some(needed - 5), others(100)))
    assert isinstance(short, Inconclusive)
    assert "needs about" in short.sentence


def test_units_too_young_for_a_time_out_to_show_do_not_let_failures_pass():
    traffic = arms(some(2_000), others(100))
    assert isinstance(verdict(FAILURES, traffic, now=NOW + timedelta(seconds=20)), Inconclusive)
    assert isinstance(verdict(FAILURES, traffic), Passed)


def test_failures_of_the_candidate_alone_are_harm_and_those_of_both_arms_are_not():
    alone = verdict(FAILURES, arms(some(12, failed=True) + some(300), others(900)))
    assert isinstance(alone, Failed)
    assert alone.sentence == (
        "failures: 12 of 312 units met one (0 of the baseline's): more than 2 times the baseline's "
        "at confidence 0.99"
    )
    together = arms(some(12, failed=True) + some(300), others(36, failed=True) + others(900))
    assert isinstance(verdict(FAILURES, together), Inconclusive)


def test_as_many_failures_as_the_baselines_pass_although_they_are_not_rare():
    mine = some(60, failed=True) + some(1_000)
    theirs = others(180, failed=True) + others(3_000)
    assert isinstance(verdict(FAILURES, arms(mine, theirs)), Passed)


def test_without_a_baseline_the_bound_decides_on_failures():
    traffic = arms(some(30, failed=True) + some(500), [])
    result = verdict(FAILURES, traffic, baseline=False)
    assert isinstance(result, Failed)
    assert result.sentence.endswith("above 0.01 at confidence 0.99")


def slow_and_quick(mine: float) -> Traffic:
    """800 baseline units of which a tenth are slow, then candidate units that take `mine` ms."""
    theirs = [an_exposure(answer_ms=10.0 + n % 100, candidate=False) for n in range(1_600)]
    return arms_in_order(theirs, some(400, answer_ms=mine))


def arms_in_order(first: list[Exposure], second: list[Exposure]) -> Traffic:
    rows = [replace(row, unit=n) for n, row in enumerate([*first, *second], start=1)]
    return count(no_traffic([(0.9, 1.5)]), exposures_of(rows))


def test_a_candidate_as_fast_as_the_baseline_passes_and_a_slow_one_fails():
    fast = verdict(LATENCY, slow_and_quick(20.0))
    assert isinstance(fast, Passed)
    assert "the p90 is at most 1.5 times the baseline's" in fast.sentence
    assert isinstance(verdict(LATENCY, slow_and_quick(500.0)), Failed)


def test_latency_says_how_many_baseline_answers_it_takes():
    assert "0 of the 100 answers" in verdict(LATENCY, no_traffic([(0.9, 1.5)])).sentence


def test_a_fair_split_passes_after_enough_units_and_a_lost_arm_fails():
    assert isinstance(verdict(SPLIT, arms(some(10), others(30))), Inconclusive)
    assert isinstance(verdict(SPLIT, arms(some(50), others(150))), Passed)
    lost = verdict(SPLIT, arms(some(150), others(750)))
    assert isinstance(lost, Failed)
    assert "150 of 900 units fell to the candidate, 225 were expected" in lost.sentence


def mixed(mine: Mapping[str, int], theirs: Mapping[str, int]) -> Traffic:
    one = [row for label, n in mine.items() for row in some(n, action=label)]
    other = [row for label, n in theirs.items() for row in others(n, action=label)]
    return arms(one, other)


def test_the_same_mix_of_labels_passes_and_a_rare_one_is_said_to_be_too_rare():
    traffic = mixed({"glass": 300, "metal": 200, "paper": 2}, {"glass": 900, "metal": 600})
    result = verdict(ACTIONS, traffic)
    assert isinstance(result, Passed)
    assert "glass 1.00 times, metal 1.00 times, paper too rare to judge" in result.sentence


def test_an_alarm_given_three_times_as_often_fails_and_names_it():
    traffic = mixed({"glass": 200, "metal": 300}, {"glass": 1_200, "metal": 300})
    result = verdict(ACTIONS, traffic)
    assert isinstance(result, Failed)
    assert "metal" in result.sentence.rsplit(":", 1)[1]


def test_a_few_labels_are_not_enough_to_say_and_the_gate_says_how_many_are():
    result = verdict(ACTIONS, mixed({"glass": 30, "metal": 20}, {"glass": 90, "metal": 60}))
    assert isinstance(result, Inconclusive)
    assert "more units" in result.sentence


def test_labels_that_are_all_too_rare_say_which_option_to_change():
    labels = {f"breed {n}": 40 for n in range(60)}
    result = verdict(ACTIONS, mixed(labels, {name: 3 * n for name, n in labels.items()}))
    assert isinstance(result, Inconclusive)
    assert "write a smaller `rare_below`" in result.sentence


def test_stated_rates_of_a_manual_process_stand_in_for_a_baseline():
    good = mixed({"glass": 120, "metal": 80}, {})
    assert isinstance(verdict(AGAINST_PEOPLE, good, baseline=False), Passed)
    bad = verdict(AGAINST_PEOPLE, mixed({"glass": 10, "metal": 190}, {}), baseline=False)
    assert isinstance(bad, Failed)
    new = verdict(AGAINST_PEOPLE, mixed({"glass": 120, "ash": 80}, {}), baseline=False)
    assert isinstance(new, Failed)
    assert "ash" in new.sentence.rsplit(":", 1)[1]


@pytest.mark.parametrize("spec", [FAILURES, LATENCY, ACTIONS])
def test_no_step_is_left_before_the_candidate_has_answered_in_it(spec: GateSpec):
    theirs = [an_exposure(answer_ms=10.0 + n % 100, candidate=False) for n in range(6_000)]
    traffic = arms_in_order(theirs, some(2_000, answer_ms=20.0))
    assert isinstance(verdict(spec, traffic, step=0), Passed)
    held = verdict(spec, traffic, step=1)
    assert isinstance(held, Inconclusive)
    assert "nothing in the present step" in held.sentence


def test_two_latency_gates_are_counted_apart():
    slow = GateSpec("latency", {"quantile": 0.5, "ratio_at_most": 100.0})
    theirs = [an_exposure(n, answer_ms=10.0, candidate=False) for n in range(400)]
    mine = [an_exposure(n + 1_000, answer_ms=200.0) for n in range(60)]
    traffic = count(no_traffic([(0.9, 1.5), (0.5, 100.0)]), exposures_of([*theirs, *mine]))
    assert isinstance(verdict(LATENCY, traffic), Failed)
    assert isinstance(verdict(slow, traffic), Inconclusive)
    unknown = GateSpec("latency", {"quantile": 0.7, "ratio_at_most": 2.0})
    assert "0 of the 33 answers" in verdict(unknown, traffic).sentence


def test_a_candidate_as_slow_as_the_bound_cannot_pass_at_this_rate():
    theirs = [an_exposure(answer_ms=10.0 + n % 100, candidate=False) for n in range(300)]
    result = verdict(LATENCY, arms_in_order(theirs, some(12, answer_ms=200.0)), defaults=SURE)
    assert isinstance(result, Inconclusive)
    assert result.sentence.endswith(", cannot pass at this rate")
