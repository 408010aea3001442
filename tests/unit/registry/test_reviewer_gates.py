"""Gates on reviewers ask for enough good work, and never blame the candidate."""

from datetime import UTC, datetime

import pytest
from evidence_rows import table_of

from registry.domain.evidence import ReviewerTally
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def said(gate: str, tally: ReviewerTally, at_least: float = 0.9) -> Result:
    evidence = Evidence(table_of([], NOW), None, Defaults(), NOW, reviewers=tally)
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
