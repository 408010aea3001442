"""Gates on reviewers ask for enough good work, and never blame the candidate."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from evidence_rows import answers_of

from registry.domain.evalues import log_pass
from registry.domain.evidence import EvidenceRow, ReviewerTally, Verdict
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.reviewer_error import miss_rate_at_most
from registry.domain.stages import Stage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def said(gate: str, tally: ReviewerTally, at_least: float = 0.9) -> Result:
    evidence = Evidence(answers_of([], NOW), None, Defaults(), NOW, reviewers=tally)
    (judged,) = judge_gates([GateSpec(gate, {"at_least": at_least})], evidence)
    return judged.result


def tally(gate: str, checked: int, failures: int) -> ReviewerTally:
    if gate == "gold":
        return ReviewerTally(gold=checked, gold_wrong=failures)
    return ReviewerTally(seconds=checked, disagreements=failures)


@pytest.mark.parametrize("gate", ["agreement", "gold"])
def test_reviewers_pass_on_enough_good_work_and_not_before(gate: str) -> None:
    few = said(gate, tally(gate, 20, 0))
    assert isinstance(few, Inconclusive)
    assert few.sentence.endswith(", needs about 16 more")
    assert isinstance(said(gate, tally(gate, 36, 0)), Passed)
    assert isinstance(said(gate, tally(gate, 36, 2)), Inconclusive)


@pytest.mark.parametrize("gate", ["agreement", "gold"])
def test_bad_reviewers_hold_the_rollout_and_do_not_roll_it_back(gate: str) -> None:
    bad = said(gate, tally(gate, 200, 100))
    assert isinstance(bad, Inconclusive)
    assert "below 0.9 at confidence 0.99, so their verdicts cannot be relied on" in bad.sentence
    assert bad.numbers["against"] == [100]


def test_no_check_at_all_is_inconclusive() -> None:
    assert said("gold", ReviewerTally()).sentence == (
        "gold: 0 items of known truth answered, needs about 36 more"
    )
    assert said("agreement", ReviewerTally(seconds=1)).sentence.startswith(
        "agreement: 1 item answered by two reviewers, who disagreed on 0, needs"
    )


def error_rate(reviewers: str, tally: ReviewerTally, correct: int, chance: float = 1.0) -> Result:
    row = EvidenceRow("r", Stage.GRADUAL, 0, "p", 2, "teddy", chance, True, NOW)
    rows = [replace(row, verdict=Verdict.CORRECT)] * correct
    spec = GateSpec("error-rate", {"at_most": 0.05, "reviewers": reviewers})
    evidence = Evidence(
        answers_of(rows, NOW), None, Defaults(), NOW, inclusion=chance, reviewers=tally
    )
    (judged,) = judge_gates([spec], evidence)
    return judged.result


def test_without_gold_items_the_numbers_say_that_reviewers_are_taken_as_faultless() -> None:
    result = error_rate("faultless", ReviewerTally(), 74)
    assert isinstance(result, Passed)
    assert result.numbers["reviewers"] == "taken as faultless"


@pytest.mark.parametrize("chance", [1.0, 0.5])
def test_reviewers_who_may_miss_errors_make_a_pass_cost_more(chance: float) -> None:
    enough = 400
    by_gold = [
        error_rate("gold", ReviewerTally(known_errors=100, misses=misses), enough, chance)
        for misses in (0, 20, 60)
    ]
    plain = error_rate("faultless", ReviewerTally(), enough, chance)
    logs = [result.numbers["log_e_pass"] for result in (plain, *by_gold)]
    assert logs == sorted(logs, reverse=True)
    assert isinstance(by_gold[0], Passed)
    assert by_gold[0].sentence.endswith("(reviewers overlook at most 5.4% of the errors)")
    assert by_gold[0].numbers["log_e_pass_needed"] == pytest.approx(np.log(25))
    assert by_gold[0].numbers["against"] == [0]


def test_without_an_answered_gold_item_nobody_knows_what_reviewers_miss() -> None:
    result = error_rate("gold", ReviewerTally(gold=50), 1_000)
    assert isinstance(result, Inconclusive)
    assert "no gold item on which the model is wrong has been answered" in result.sentence


def test_the_bound_on_missed_errors_holds_at_all_times_at_once() -> None:
    """Reviewers who miss 30 % of the errors, looked at after every gold item."""
    rng, alpha, runs, items = np.random.default_rng(21), 0.05, 400, 200
    misses = (rng.random((runs, items)) < 0.3).cumsum(axis=1)
    rejected = log_pass(misses, np.arange(1, items + 1), 0.3) >= -np.log(alpha)
    assert rejected.any(axis=1).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / runs)
    for run in range(3):
        for seen in (5, 50, 200):
            bound = miss_rate_at_most(int(misses[run, seen - 1]), seen, alpha)
            assert (bound < 0.3) == rejected[run, seen - 1]
            assert log_pass(misses[run, seen - 1], seen, bound) >= -np.log(alpha) - 1e-6


def test_reviewers_who_miss_everything_are_bounded_by_everything() -> None:
    assert miss_rate_at_most(10, 10, 0.01) == 1.0
    assert miss_rate_at_most(0, 0, 0.01) == 1.0
