"""Gates on reviewers ask for enough good work, and never blame the candidate."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from evidence_rows import answers_of

from registry.domain.evalues import log_pass
from registry.domain.evidence import EvidenceRow, ReviewerTally, Second, Verdict
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.reviewer_error import miss_rate_at_most
from registry.domain.stages import Stage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


ROW = EvidenceRow("r", Stage.GRADUAL, 0, "p", 2, "teddy", 1.0, True, NOW)


def by_two(*seconds: Second, **changes: Any) -> list[EvidenceRow]:
    """Answers with their verdicts, and what the second reviewer of each said."""
    row = replace(ROW, verdict=Verdict.CORRECT, **changes)
    return [replace(row, second=second) for second in seconds]


def agreement(rows: list[EvidenceRow], visit_seconds: float = 0.0) -> Result:
    answers = answers_of(rows, NOW, visit_seconds=visit_seconds)
    evidence = Evidence(answers, None, Defaults(), NOW)
    (judged,) = judge_gates([GateSpec("agreement", {"at_least": 0.9})], evidence)
    return judged.result


def said(gate: str, checked: int, failures: int = 0) -> Result:
    if gate == "agreement":
        alike = [Second.AGREED] * (checked - failures)
        return agreement(by_two(*alike, *[Second.DISAGREED] * failures))
    tally = ReviewerTally(gold=checked, gold_wrong=failures)
    evidence = Evidence(answers_of([], NOW), None, Defaults(), NOW, reviewers=tally)
    (judged,) = judge_gates([GateSpec(gate, {"at_least": 0.9})], evidence)
    return judged.result


@pytest.mark.parametrize("gate", ["agreement", "gold"])
def test_reviewers_pass_on_enough_good_work_and_not_before(gate: str) -> None:
    few = said(gate, 20, 0)
    assert isinstance(few, Inconclusive)
    assert few.sentence.endswith(", needs about 16 more")
    assert isinstance(said(gate, 36, 0), Passed)
    assert isinstance(said(gate, 36, 2), Inconclusive)


@pytest.mark.parametrize("gate", ["agreement", "gold"])
def test_bad_reviewers_hold_the_rollout_and_do_not_roll_it_back(gate: str) -> None:
    bad = said(gate, 200, 100)
    assert isinstance(bad, Inconclusive)
    assert "below 0.9 at confidence 0.99, so their verdicts cannot be relied on" in bad.sentence
    assert bad.numbers["against"] == ([100, 0] if gate == "agreement" else [100])


def test_a_known_item_that_nobody_answered_in_time_counts_as_overlooked_for_a_pass() -> None:
    missing = ReviewerTally(gold=39, late=3)
    evidence = Evidence(answers_of([], NOW), None, Defaults(), NOW, reviewers=missing)
    (judged,) = judge_gates([GateSpec("gold", {"at_least": 0.9})], evidence)
    assert isinstance(judged.result, Inconclusive)
    start = "gold: 36 items of known truth answered, 0 wrongly, and 3 not in time"
    assert judged.result.sentence.startswith(start)
    assert isinstance(said("gold", 36), Passed)
    assert judged.result.numbers["against"] == [0, 3]


def test_no_check_at_all_is_inconclusive() -> None:
    assert said("gold", 0).sentence == (
        "gold: 0 items of known truth answered, needs about 36 more"
    )
    assert said("agreement", 1).sentence.startswith(
        "agreement: 1 item answered by two reviewers, who disagreed on 0, needs"
    )


def test_what_two_people_say_of_one_units_burst_counts_once() -> None:
    burst = by_two(*[Second.AGREED] * 200, unit=7)
    assert agreement(burst, visit_seconds=3_600.0).numbers["checked"] == 1
    assert isinstance(agreement(burst), Passed)  # each answer by itself


def test_the_first_answer_of_a_visit_counts_though_two_people_saw_a_later_one() -> None:
    rows = [*by_two(*[Second.AGREED] * 40, unit=7)]
    rows[0] = replace(rows[0], second=None)
    assert agreement(rows, visit_seconds=3_600.0).numbers["checked"] == 0


def test_agreement_waits_behind_the_first_answer_that_is_pending() -> None:
    pending = replace(ROW, second=Second.WANTED, due_at=NOW + timedelta(hours=1))
    behind = agreement([pending, *by_two(*[Second.AGREED] * 50)])
    assert behind.numbers["checked"] == 0
    assert behind.sentence.endswith(
        "50 verdicts wait behind an earlier answer that is still pending"
    )


def test_where_the_second_person_did_not_answer_in_time_they_are_taken_to_disagree() -> None:
    rows = by_two(*[Second.AGREED] * 36)
    late = replace(ROW, second=Second.WANTED, due_at=NOW)
    assert isinstance(agreement(rows), Passed)
    missing = agreement([late] * 3 + rows)
    assert isinstance(missing, Inconclusive)
    assert "36 items answered by two reviewers, who disagreed on 0, and 3 not in time by both" in (
        missing.sentence
    )
    assert "cannot be relied on" not in agreement([late] * 300).sentence


def error_rate(reviewers: str, tally: ReviewerTally, correct: int, chance: float = 1.0) -> Result:
    rows = [replace(ROW, inclusion_probability=chance, verdict=Verdict.CORRECT)] * correct
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
