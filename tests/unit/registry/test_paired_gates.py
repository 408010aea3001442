"""Gates that compare two versions bet on what one label says about both."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from evidence_rows import answers_of
from serving_fakes import a_rollout, gradual

from bench.gates import recurring
from registry.domain.decision import evidence_digest
from registry.domain.evidence import Arm, EvidenceRow, Verdict
from registry.domain.evidence_table import EvidenceTable, table_of
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Failed, Inconclusive, Passed, Result
from registry.domain.plan import Defaults, GateSpec
from registry.domain.running import Counting, Running
from registry.domain.stages import Stage
from registry.domain.unit_lots import UnitLots

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PAIRED = GateSpec("paired-loss", {"margin": 0.02, "per_segment": False})
RATIO = GateSpec("error-ratio", {"at_most": 1.5})


def a_pair(candidate: bool, baseline: bool, **changes: object) -> EvidenceRow:
    """Whether each of the two was right; the truth is a teddy."""
    row = EvidenceRow(
        rollout_id="r",
        stage=Stage.MANUAL_REVIEW,
        step=0,
        prediction_id="p",
        version=2,
        model_label="teddy" if candidate else "panda",
        inclusion_probability=1.0,
        sampled=True,
        created_at=NOW,
        due_at=NOW + timedelta(hours=1),
        baseline_label="teddy" if baseline else "panda",
        verdict=Verdict.CORRECT if candidate else Verdict.ERROR,
        human_label="teddy",
        reviewer="rae",
        decided_at=NOW,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def said(spec: GateSpec, rows: list[EvidenceRow], **changes: object) -> Result:
    evidence = replace(Evidence(answers_of(rows, NOW), None, Defaults(), NOW), **changes)  # type: ignore[arg-type]
    (judged,) = judge_gates([spec], evidence)
    return judged.result


BOTH, MINE, THEIRS = a_pair(True, True), a_pair(False, True), a_pair(True, False)
NEITHER = a_pair(False, False)


@pytest.mark.parametrize("spec", [PAIRED, RATIO])
def test_without_pairs_nothing_is_known(spec: GateSpec) -> None:
    alone = a_pair(True, True, baseline_label=None)
    for rows in ([], [alone] * 500):
        assert isinstance(said(spec, rows), Inconclusive)


def test_a_candidate_that_is_never_wrong_alone_passes_and_one_that_often_is_fails() -> None:
    good = said(PAIRED, [BOTH] * 300)
    assert isinstance(good, Passed)
    assert good.sentence == (
        "paired loss: 300 pairs reviewed, 0 with only the candidate wrong and 0 with only the "
        "baseline: the candidate's error rate is below the baseline's plus 0.02 at confidence 0.95"
    )
    assert isinstance(said(PAIRED, [*[MINE] * 40, *[BOTH] * 100]), Failed)
    assert said(PAIRED, [BOTH] * 30).sentence.split(", needs about")[1].endswith(" more")


def test_requests_on_which_both_are_wrong_do_not_count_against_the_candidate() -> None:
    """A hard camera is hard for both; two gates on the rates would never pass."""
    hard = [*[BOTH] * 300, *[NEITHER] * 100]
    assert isinstance(said(PAIRED, hard), Passed)
    assert said(PAIRED, hard).numbers["log_e_pass"] == pytest.approx(
        said(PAIRED, [BOTH] * 400).numbers["log_e_pass"]
    )


@pytest.mark.parametrize("spec", [PAIRED, RATIO])
def test_what_is_not_known_counts_against_a_pass_and_against_harm(spec: GateSpec) -> None:
    late = a_pair(True, True, verdict=None, human_label=None, reviewer=None, due_at=NOW)
    failed = a_pair(False, True, human_label=None, reviewer=None, decided_at=None)
    for unknown in (late, failed):
        with_unknown = said(spec, [*[BOTH] * 50, unknown]).numbers
        with_error = said(spec, [*[BOTH] * 50, MINE]).numbers
        assert with_unknown["log_e_pass"] == pytest.approx(with_error["log_e_pass"])
        assert with_unknown["log_e_harm"] <= said(spec, [BOTH] * 51).numbers["log_e_harm"] + 1e-9


def test_pairs_count_in_prediction_order() -> None:
    waiting = a_pair(True, True, verdict=None, human_label=None, reviewer=None, decided_at=None)
    result = said(PAIRED, [*[BOTH] * 10, waiting, *[MINE] * 200])
    assert isinstance(result, Inconclusive)
    assert (result.numbers["reviewed"], result.numbers["waiting"]) == (10, 200)


def test_each_segment_passes_by_itself() -> None:
    spec = replace(PAIRED, options={"margin": 0.02, "per_segment": True})
    north = a_pair(True, True, segments={"site": "north"})
    south = a_pair(False, True, segments={"site": "south"})
    answers = answers_of([*[north] * 300, *[south] * 30], NOW, {"site": ()})
    found = judge_gates([spec], Evidence(answers, None, Defaults(), NOW))
    assert [(str(j.segment), j.result.verdict) for j in found[1:]] == [
        ("site=north", "passed"),
        ("site=south", "failed"),
    ]


# Golden medians of research/rollout.md, section 3.5: margin .02, better by .02 and equal.
@pytest.mark.parametrize(("worse", "better", "golden"), [(0.01, 0.03, 196), (0.02, 0.02, 717)])
def test_the_median_number_of_pairs_to_pass(worse: float, better: float, golden: int) -> None:
    first = pairs_to_pass(np.array([worse, better, 1 - worse - better]), 400, 2_400, seed=3)
    assert np.median(first) == pytest.approx(golden, rel=0.12)


def test_a_candidate_worse_by_the_margin_passes_at_most_once_in_twenty() -> None:
    first = pairs_to_pass(np.array([0.04, 0.02, 0.94]), 400, 1_500, seed=4)
    assert np.isfinite(first).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def pairs_to_pass(chances: np.ndarray, runs: int, pairs: int, seed: int) -> np.ndarray:
    """When each run passes, looked at after every pair; as the gate bets, in columns."""
    from registry.domain.evalues import PAIR_STAKES

    excess = np.random.default_rng(seed).choice([1.0, -1.0, 0.0], p=chances, size=(runs, pairs))
    stakes = PAIR_STAKES / (1 - 0.02)
    logs = [np.log1p(stake * (0.02 - excess)).cumsum(axis=1) for stake in stakes]
    passed = np.logaddexp.reduce(logs) - np.log(len(stakes)) >= np.log(20)
    return np.where(passed.any(axis=1), passed.argmax(axis=1) + 1, np.inf)


def test_the_bet_of_that_simulation_is_the_one_of_the_gate() -> None:
    from registry.domain.evalues import PAIR_STAKES

    rows = [*[BOTH] * 90, *[MINE] * 2, *[THEIRS] * 3]
    stakes = PAIR_STAKES / (1 - 0.02)
    gains = ((90, 0.02), (2, -0.98), (3, 1.02))
    logs = sum(times * np.log1p(stakes * gain) for times, gain in gains)
    expected = np.logaddexp.reduce(logs) - np.log(len(stakes))
    assert said(PAIRED, rows).numbers["log_e_pass"] == pytest.approx(expected)


def test_the_ratio_of_errors_passes_on_fewer_errors_and_fails_on_more() -> None:
    better = [*[BOTH] * 300, *[MINE] * 10, *[THEIRS] * 40]
    result = said(RATIO, better)
    assert isinstance(result, Passed)
    assert result.sentence == (
        "error ratio: 350 pairs reviewed, 10 errors of the candidate and 40 of the baseline: "
        "below 1.5 times the baseline's at confidence 0.95"
    )
    assert isinstance(said(RATIO, [*[BOTH] * 300, *[MINE] * 40, *[THEIRS] * 5]), Failed)
    assert isinstance(said(RATIO, [*[BOTH] * 300, *[MINE] * 3, *[THEIRS] * 3]), Inconclusive)


def an_error(arm: Arm, unit: int, step: int = 0, **changes: object) -> EvidenceRow:
    mine = a_pair(False, True, baseline_label=None, stage=Stage.GRADUAL)
    made = replace(mine, arm=arm, unit=unit, step=step, drawn=True)
    return replace(made, **changes)  # type: ignore[arg-type]


def beside(rows: list[EvidenceRow], **changes: object) -> Result:
    right = a_pair(True, True, baseline_label=None, stage=Stage.GRADUAL, drawn=True, unit=1)
    return said(
        RATIO, [right, *rows], **{"step": 0, "weights": (50.0, 100.0), "baseline": True, **changes}
    )


def test_units_of_both_arms_are_weighed_by_their_share_of_the_traffic() -> None:
    mine = [an_error(Arm.CANDIDATE, unit) for unit in range(2, 5)]
    theirs = [an_error(Arm.BASELINE, unit) for unit in range(100, 130)]
    passed = beside([*mine, *theirs])
    assert isinstance(passed, Passed)
    assert "3 and 30 units with an error: below 1.5 times" in passed.sentence
    few = beside([*mine, *theirs], weights=(5.0,))
    assert isinstance(few, Inconclusive)  # of the few, three are many
    many = beside([an_error(Arm.CANDIDATE, unit) for unit in range(40)])
    assert isinstance(many, Failed)


def test_many_errors_of_one_unit_say_no_more_than_one() -> None:
    one = beside([an_error(Arm.CANDIDATE, 7)])
    assert beside([an_error(Arm.CANDIDATE, 7)] * 200).numbers["log_e_harm"] == pytest.approx(
        one.numbers["log_e_harm"]
    )


def counted(*rows: EvidenceRow, since: int = 0) -> dict[float, tuple[int, int]]:
    """Errors of both arms that count, by the chance that they would be the candidate's."""
    arms, weights = answers_of(rows, NOW, since=since).arms, (10.0, 40.0, 70.0)
    found = {odds.chance(weights): errors for odds, errors in arms.for_pass.items()}
    return {chance: (one.candidate, one.baseline) for chance, one in found.items()}


def test_a_unit_that_errs_in_every_step_counts_only_while_its_arm_is_open() -> None:
    mine = [an_error(Arm.CANDIDATE, 7, step=step) for step in (0, 1, 2)]
    assert counted(*mine) == {0.1: (1, 0)}
    theirs = [an_error(Arm.BASELINE, 8, step=step) for step in (0, 1)]
    later = an_error(Arm.CANDIDATE, 8, step=2)
    assert counted(*theirs, later) == {
        0.1: (0, 1),
        round(0.3 / 0.9, 12): (0, 1),
        0.5: (1, 0),
    }


def test_a_right_answer_shows_a_units_arm_as_well_as_a_wrong_one() -> None:
    right = a_pair(True, True, baseline_label=None, drawn=True, unit=7, arm=Arm.BASELINE)
    assert counted(right, an_error(Arm.CANDIDATE, 7, step=1)) == {round(0.3 / 0.9, 12): (1, 0)}
    assert counted(an_error(Arm.CANDIDATE, 7, step=1)) == {0.4: (1, 0)}
    known = replace(right, arm=Arm.CANDIDATE)
    assert counted(known, an_error(Arm.CANDIDATE, 7, step=1)) == {}


def test_an_answer_of_a_step_before_that_comes_late_counts_no_more() -> None:
    """A replica may go on with the old weight for a moment; by then the arm is no secret."""
    first = a_pair(True, True, baseline_label=None, drawn=True, unit=7, arm=Arm.BASELINE)
    second = replace(first, step=1, arm=Arm.CANDIDATE)
    assert counted(first, second, an_error(Arm.BASELINE, 7)) == {}


def test_errors_that_only_a_flag_brought_to_light_do_not_count() -> None:
    found = beside([an_error(Arm.CANDIDATE, unit, drawn=False) for unit in range(40)])
    assert found.numbers["candidate_units_wrong"] == 0


def test_answers_of_the_baseline_do_not_count_in_gates_on_the_candidate() -> None:
    rows = [a_pair(True, True)] * 10 + [an_error(Arm.BASELINE, unit) for unit in range(40)]
    spec = GateSpec("error-rate", {"at_most": 0.05})
    assert said(spec, rows).numbers["answers"] == 10


def test_a_pending_verdict_of_either_arm_holds_the_comparison() -> None:
    waiting = an_error(Arm.BASELINE, 9, verdict=None, reviewer=None, decided_at=None)
    found = beside([waiting, *[an_error(Arm.CANDIDATE, unit) for unit in range(2, 42)]])
    assert isinstance(found, Inconclusive)
    assert "; 40 verdicts wait behind an earlier answer" in found.sentence


def test_a_late_verdict_counts_against_whoever_would_gain_by_it() -> None:
    for arm, wrong in ((Arm.CANDIDATE, (1, 0)), (Arm.BASELINE, (0, 1))):
        late = an_error(arm, 9, verdict=None, reviewer=None, decided_at=None, due_at=NOW)
        arms = arms_of(table_of([late]))
        assert [len(found) for found in (arms.for_pass, arms.for_harm)] == list(wrong)


def arms_of(table: EvidenceTable):
    return Running.start(Counting()).take(0, table_of([]), table).answers(NOW).arms


@pytest.mark.parametrize("spec", [PAIRED, RATIO])
def test_an_approval_outlives_what_speaks_for_the_candidate_and_not_what_speaks_against_it(
    spec: GateSpec,
) -> None:
    def digest(rows: list[EvidenceRow]) -> str:
        evidence = Evidence(answers_of(rows, NOW), None, Defaults(), NOW)
        return evidence_digest(a_rollout(gradual(5)), judge_gates([spec], evidence))

    some = [*[BOTH] * 5, MINE]
    assert digest([*some, BOTH, THEIRS]) == digest(some)
    assert digest([*some, MINE]) != digest(some)
    late = a_pair(True, True, verdict=None, human_label=None, reviewer=None, due_at=NOW)
    assert digest([*some, late]) != digest(some)


def test_the_simulation_counts_what_the_gate_counts() -> None:
    """bench.gates weighs each drawn unit that errs at the chance of its draw, step by step."""
    rng, weights = np.random.default_rng(6), (10.0, 40.0, 70.0)
    place, lots, rows = rng.random(60), UnitLots(), []
    expected: dict[float, tuple[int, int]] = {}
    for step, weight in enumerate(weights):
        asks = rng.permutation(60)[:45]
        mine, errs = place[asks] < weight / 100, rng.random(45) < 0.6
        draws, lots = lots.draw(asks, mine, weight / 100)
        for at, chance in zip(draws.positions.tolist(), draws.chances.tolist(), strict=True):
            if errs[at]:
                before = expected.get(chance, (0, 0))
                expected[chance] = (before[0] + int(mine[at]), before[1] + int(not mine[at]))
        for unit, candidate, wrong in zip(asks.tolist(), mine, errs, strict=True):
            arm = Arm.CANDIDATE if candidate else Arm.BASELINE
            row = an_error(arm, unit + 1, step=step)
            rows.append(row if wrong else replace(row, verdict=Verdict.CORRECT))
    assert counted(*rows) == expected
    assert len(expected) == 6


def test_of_units_that_err_in_every_step_at_most_one_run_in_twenty_passes() -> None:
    """As before each step's errors were weighed as if drawn anew, which let 13 % pass."""
    runs, weights = 250, (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0)
    rng = np.random.default_rng(5)
    passed, harmed = np.array([recurring(rng, 100, weights) for _ in range(runs)]).mean(axis=0)
    assert passed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert harmed <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / runs)


@pytest.mark.parametrize("spec", [PAIRED, RATIO])
def test_pairs_without_a_chance_of_review_leave_the_gate_inconclusive(spec: GateSpec) -> None:
    unseen = a_pair(True, True, sampled=False, verdict=None, inclusion_probability=0.1)
    result = said(spec, [*[BOTH] * 500, unseen])
    assert isinstance(result, Inconclusive)
    assert "less than the plan's chance of being reviewed" in result.sentence


def test_a_step_is_not_left_before_somebody_has_looked_at_its_answers() -> None:
    theirs = [an_error(Arm.BASELINE, unit) for unit in range(100, 130)]
    result = beside(theirs, step=1)
    assert isinstance(result, Inconclusive)
    assert result.sentence.endswith("no answer of the present step has been reviewed yet")


def test_pairs_with_an_earlier_baseline_do_not_count_and_the_candidates_own_errors_do() -> None:
    rows = [replace(BOTH, epoch=1)] * 300 + [replace(MINE, epoch=1)] * 2
    answers = answers_of(rows, NOW, since=2)
    own = GateSpec("error-rate", {"at_most": 0.05})
    gates = judge_gates([PAIRED, RATIO, own], Evidence(answers, None, Defaults(), NOW))
    paired, ratio, rate = (gate.result for gate in gates)
    assert paired.sentence == "paired loss: no request was answered by both versions yet"
    assert ratio.numbers["pairs"] == 0
    assert (rate.numbers["reviewed"], rate.numbers["errors"]) == (302, 2)
    later = answers_of([*rows, *[replace(BOTH, epoch=2)] * 300], NOW, since=2)
    (judged,) = judge_gates([PAIRED], Evidence(later, None, Defaults(), NOW))
    assert isinstance(judged.result, Passed)
    assert judged.result.numbers["pairs"] == 300


def test_errors_beside_an_earlier_baseline_show_arms_and_count_for_nothing() -> None:
    theirs = [an_error(Arm.BASELINE, unit, epoch=1) for unit in range(1, 31)]
    again = [an_error(Arm.BASELINE, unit, epoch=2) for unit in range(1, 31)]
    assert counted(*theirs, *again, since=2) == {}
    new = an_error(Arm.BASELINE, 77, epoch=2)
    moved = an_error(Arm.CANDIDATE, 1, step=1, epoch=2)
    expected = {0.1: (0, 1), round(0.3 / 0.9, 12): (1, 0)}
    assert counted(*theirs, *again, new, moved, since=2) == expected
    waiting = an_error(Arm.BASELINE, 9, epoch=1, verdict=None, reviewer=None, decided_at=None)
    assert counted(waiting, new, since=2) == {0.1: (0, 1)}


def test_without_a_baseline_there_is_nothing_to_compare_with() -> None:
    result = beside([an_error(Arm.BASELINE, unit) for unit in range(60)], baseline=False)
    assert result.sentence == "error ratio: there is no baseline to compare with"
