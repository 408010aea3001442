"""Gates say what the evidence supports, in prediction order, and one sentence about it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from evidence_rows import answers_of

from registry.domain.decision import Hold, Judgement, Promote, RollBack, decide, spoken
from registry.domain.evidence import DriftMeasurement, EvidenceRow, Verdict
from registry.domain.gate_table import judge_gates
from registry.domain.gates import (
    Evidence,
    Failed,
    Inconclusive,
    Judged,
    Passed,
    Result,
    Stale,
)
from registry.domain.plan import Defaults, GateSpec
from registry.domain.stages import Stage
from registry.domain.transitions import Place

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
ERROR_RATE = GateSpec("error-rate", {"at_most": 0.05, "per_segment": False})
PER_SEGMENT = GateSpec("error-rate", {"at_most": 0.05, "per_segment": True})
DRIFT = GateSpec("drift")
TARGET = Place(Stage.GRADUAL)


def a_row(verdict: Verdict | None = Verdict.CORRECT, **changes: object) -> EvidenceRow:
    row = EvidenceRow(
        rollout_id="r",
        stage=Stage.LIMITED_SCOPE,
        step=0,
        prediction_id="p",
        version=2,
        model_label="teddy",
        inclusion_probability=1.0,
        sampled=True,
        created_at=NOW,
        due_at=NOW + timedelta(hours=1),
        verdict=verdict,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def rows(correct: int = 0, errors: int = 0, pending: int = 0) -> list[EvidenceRow]:
    return [
        *[a_row()] * correct,
        *[a_row(Verdict.ERROR)] * errors,
        *[a_row(None)] * pending,
    ]


def evidence(
    what: list[EvidenceRow],
    segments: tuple[str, ...] = (),
    expected: Mapping[str, tuple[str, ...]] | None = None,
    **changes: object,
) -> Evidence:
    values = {name: (expected or {}).get(name, ()) for name in segments}
    answers = answers_of(what, NOW, values)
    return replace(Evidence(answers, None, Defaults(), NOW), **changes)  # type: ignore[arg-type]


def verdict(what: list[EvidenceRow], **changes: object) -> Result:
    (judged,) = judge_gates([ERROR_RATE], evidence(what, **changes))
    return judged.result


def test_no_review_is_inconclusive_and_says_how_many_it_takes() -> None:
    result = verdict([])
    assert isinstance(result, Inconclusive)
    assert result.sentence == "error rate: nothing reviewed yet, needs about 74 more"


def test_a_few_good_reviews_are_inconclusive_and_enough_of_them_pass() -> None:
    assert verdict(rows(12)).sentence == "error rate: 12 reviewed, 0 errors, needs about 62 more"
    assert isinstance(verdict(rows(73)), Inconclusive)
    passed = verdict(rows(74))
    assert isinstance(passed, Passed)
    assert passed.sentence == "error rate: 74 reviewed, 0 errors: below 0.05 at confidence 0.95"


def test_many_errors_fail_and_a_rate_on_the_bound_says_that_it_cannot_pass() -> None:
    failed = verdict(rows(20, errors=10))
    assert isinstance(failed, Failed)
    assert failed.sentence == "error rate: 30 reviewed, 10 errors: above 0.05 at confidence 0.99"
    assert verdict(rows(57, errors=3)).sentence.endswith("cannot pass at this rate")


def test_verdicts_behind_a_pending_answer_do_not_count_yet() -> None:
    result = verdict([*rows(5), *rows(pending=1), *rows(100)])
    assert isinstance(result, Inconclusive)
    assert result.sentence == (
        "error rate: 5 reviewed, 0 errors, needs about 69 more; "
        "100 verdicts wait behind an earlier answer that is still pending"
    )
    assert (result.numbers["answers"], result.numbers["pending"]) == (5, 1)


def test_an_answer_past_due_is_an_error_for_promotion_and_correct_for_harm() -> None:
    late = a_row(None, due_at=NOW)
    result = verdict([*rows(74), late])
    assert isinstance(result, Inconclusive)
    assert "74 reviewed, 0 errors, 1 past due, needs about" in result.sentence
    assert not isinstance(verdict([late] * 200), Failed)
    assert isinstance(verdict([a_row(Verdict.ERROR)] * 200), Failed)


def test_an_answer_that_was_not_sampled_counts_through_its_probability_and_never_waits() -> None:
    skipped = a_row(None, sampled=False, inclusion_probability=0.5, due_at=None)
    looked = a_row(inclusion_probability=0.5)
    assert isinstance(verdict([looked, skipped] * 120, inclusion=0.5), Passed)
    assert isinstance(verdict([looked, skipped] * 20, inclusion=0.5), Inconclusive)
    wrong = a_row(Verdict.ERROR, inclusion_probability=0.5)
    assert isinstance(verdict([wrong, skipped] * 60, inclusion=0.5), Failed)


def test_the_bet_is_chosen_by_the_plan_and_not_by_what_was_drawn() -> None:
    """Counting is the better bet when everything happens to be drawn; that shows only later."""
    drawn = [a_row(inclusion_probability=1.0)] * 60
    by_count = verdict(drawn, inclusion=1.0).numbers["log_e_pass"]
    assert verdict(drawn, inclusion=0.1).numbers["log_e_pass"] < by_count
    ten = verdict(drawn[:10], inclusion=0.1).numbers["log_e_pass"]
    mixed = [*drawn[:10], a_row(None, sampled=False, inclusion_probability=0.1)]
    assert verdict(mixed, inclusion=0.1).numbers["log_e_pass"] == pytest.approx(ten, abs=0.05)


def test_a_step_of_gradual_is_not_left_before_one_of_its_own_answers_was_reviewed() -> None:
    result = verdict(rows(80), step=1)
    assert isinstance(result, Inconclusive)
    assert result.sentence.endswith("but no answer of the present step has been reviewed yet")
    pending = a_row(None, step=1)
    assert isinstance(verdict([*rows(80), pending], step=1), Inconclusive)
    unseen = a_row(None, step=1, sampled=False)
    assert isinstance(verdict([*rows(80), unseen], step=1), Inconclusive)
    assert isinstance(verdict([*rows(80), a_row(step=1)], step=1), Passed)
    assert isinstance(verdict(rows(20, errors=20), step=1), Failed)


def test_a_verdict_on_an_answer_that_was_not_sampled_changes_nothing() -> None:
    looked = a_row(inclusion_probability=0.5)
    skipped = a_row(None, sampled=False, inclusion_probability=0.5)
    volunteered = replace(skipped, verdict=Verdict.ERROR)
    without = verdict([looked, skipped] * 30, inclusion=0.5).numbers
    assert verdict([looked, volunteered] * 30, inclusion=0.5).numbers == without


def test_the_rate_shown_undoes_the_oversampling_of_flagged_answers() -> None:
    flagged = a_row(Verdict.ERROR, inclusion_probability=1.0)
    ordinary = a_row(Verdict.CORRECT, inclusion_probability=0.1)
    assert verdict([flagged, ordinary], inclusion=0.1).numbers["rate"] == pytest.approx(1 / 11)


def test_answers_without_a_chance_of_review_leave_the_gate_inconclusive() -> None:
    result = verdict([*rows(100), a_row(None, sampled=False, inclusion_probability=0.0)])
    assert isinstance(result, Inconclusive)
    assert "less than the plan's chance of being reviewed" in result.sentence


def by_segment(what: list[EvidenceRow], **changes: object) -> dict[str | None, Judged]:
    found = judge_gates([PER_SEGMENT], evidence(what, ("site",), **changes))
    return {str(judged.segment) if judged.segment else None: judged for judged in found}


def test_each_segment_must_pass_by_itself_also_one_that_was_only_announced() -> None:
    seen = [a_row(segments={"site": "a"})] * 80 + [a_row(segments={"site": "b"})] * 10
    found = by_segment(seen, expected={"site": ("c",)})
    assert isinstance(found[None].result, Passed)
    assert isinstance(found["site=a"].result, Passed)
    assert found["site=b"].result.sentence == (
        "error rate (site=b): 10 reviewed, 0 errors, needs about 64 more"
    )
    assert found["site=c"].result.sentence == (
        "error rate (site=c): nothing reviewed yet, needs about 74 more"
    )
    assert isinstance(decide(TARGET, tuple(found.values())), Hold)


def test_answers_without_the_attribute_are_a_segment_of_their_own() -> None:
    """Good answers from a site must not stand for those from nowhere."""
    found = by_segment([a_row(segments={"site": "a"})] * 80 + [a_row()] * 10)
    assert list(found) == [None, "site=a", "site: none given"]
    assert isinstance(found["site=a"].result, Passed)
    assert isinstance(found["site: none given"].result, Inconclusive)
    harmed = by_segment([a_row(segments={"site": "a"})] * 80 + [a_row(Verdict.ERROR)] * 12)
    assert isinstance(harmed["site: none given"].result, Failed)


def test_an_attribute_that_no_answer_carries_leaves_the_gate_inconclusive() -> None:
    found = by_segment(rows(200))
    assert isinstance(found[None].result, Passed)
    silent = found["site: none given"].result
    assert isinstance(silent, Inconclusive)
    assert "no answered request carried the attribute site" in silent.sentence
    assert isinstance(decide(TARGET, tuple(found.values())), Hold)


def test_values_with_an_equals_sign_stay_apart() -> None:
    what = [a_row(segments={"a": "b=c"})] * 3 + [a_row(segments={"a": "b"})] * 2
    found = judge_gates([PER_SEGMENT], evidence(what, ("a",)))
    assert [(j.segment.name, j.segment.value) for j in found if j.segment] == [
        ("a", "b=c"),
        ("a", "b"),
    ]


def test_beyond_fifty_values_the_others_are_one_segment() -> None:
    what = [a_row(segments={"site": str(i)}) for i in range(300)] + [a_row()]
    found = by_segment(what)
    assert len(found) == 1 + 50 + 2
    assert found["site: all others"].result.numbers["answers"] == 250
    assert found["site: none given"].result.numbers["answers"] == 1
    assert sum(j.result.numbers["answers"] for s, j in found.items() if s) == 301


def test_each_segment_has_a_frontier_of_its_own() -> None:
    a, b = {"site": "a"}, {"site": "b"}
    found = by_segment([a_row(None, segments=a), *[a_row(segments=b)] * 80])
    assert found["site=a"].result.numbers["answers"] == 0
    assert isinstance(found["site=b"].result, Passed)


def test_one_bad_segment_rolls_back_and_a_pending_answer_elsewhere_does_not_hide_it() -> None:
    good = [a_row(segments={"site": "a"})] * 200
    bad = [a_row(Verdict.ERROR, segments={"site": "b"})] * 12
    waiting = [a_row(None, segments={"site": "a"})]
    found = by_segment([*waiting, *good, *bad])
    assert isinstance(found["site=b"].result, Failed)
    assert isinstance(decide(TARGET, tuple(found.values())), RollBack)


def test_harm_in_any_of_many_good_segments_is_alleged_at_most_at_the_stated_rate() -> None:
    rng, runs, alleged = np.random.default_rng(11), 60, 0
    spec = GateSpec("error-rate", {"at_most": 0.3, "per_segment": True})
    for _ in range(runs):
        wrong = rng.random(300) < 0.3
        sites = rng.integers(0, 10, 300)
        what = [
            a_row(Verdict.ERROR if error else Verdict.CORRECT, segments={"site": str(site)})
            for error, site in zip(wrong, sites, strict=True)
        ]
        found = judge_gates([spec], evidence(what, ("site",)))
        alleged += any(isinstance(judged.result, Failed) for judged in found)
    assert alleged <= 3


def test_completion_order_would_promote_bad_candidates_and_prediction_order_does_not() -> None:
    """Wrong answers take fifteen times longer to review (research/rollout.md, section 3.5)."""
    rng, runs = np.random.default_rng(12), 40
    promoted = {"prediction": 0, "completion": 0}
    for _ in range(runs):
        wrong = rng.random(300) < 0.05
        done = np.arange(300) + rng.exponential(np.where(wrong, 150.0, 10.0))
        moments = range(60, 300, 40)
        seen = [[known(wrong[i], done[i] <= moment) for i in range(moment)] for moment in moments]
        arrived = [[row for row in rows if row.verdict is not None] for rows in seen]
        promoted["prediction"] += any(isinstance(verdict(rows), Passed) for rows in seen)
        promoted["completion"] += any(isinstance(verdict(rows), Passed) for rows in arrived)
    assert promoted["completion"] > 0.3 * runs
    assert promoted["prediction"] <= 0.05 * runs + 3 * (0.05 * 0.95 * runs) ** 0.5


def known(wrong: bool, decided: bool) -> EvidenceRow:
    found = Verdict.ERROR if wrong else Verdict.CORRECT
    return a_row(found if decided else None, due_at=None)


def a_measurement(alarm: bool) -> DriftMeasurement:
    return DriftMeasurement(
        "bears", 2, NOW - timedelta(hours=1), NOW, 512, alarm, "brightness moved", {}, NOW
    )


def drift_of(measurement: DriftMeasurement | None, compared: int = 512) -> Result:
    (judged,) = judge_gates([DRIFT], evidence(rows(100), drift=measurement, compared=compared))
    return judged.result


def test_drift_never_measured_is_inconclusive() -> None:
    assert isinstance(drift_of(None), Inconclusive)


def test_drift_without_an_alarm_passes_and_says_how_much_was_compared() -> None:
    calm = drift_of(a_measurement(alarm=False))
    assert isinstance(calm, Passed)
    assert calm.sentence == "drift: 512 inputs compared, no domain shift"


def test_an_alarm_makes_earlier_evidence_stale_which_holds_and_does_not_roll_back() -> None:
    stale = drift_of(a_measurement(alarm=True))
    assert isinstance(stale, Stale)
    assert stale.sentence == (
        "drift: evidence gathered before 2026-06-01 11:00 UTC is stale: domain shift: "
        "brightness moved"
    )
    passed = Judged("error-rate", Passed("fine"))
    assert decide(TARGET, (passed, Judged("drift", stale))) == Hold((stale.sentence,))


def test_a_comparison_that_saw_too_few_inputs_of_the_stage_does_not_pass() -> None:
    assert isinstance(drift_of(a_measurement(alarm=False), compared=30), Passed)
    few = drift_of(a_measurement(alarm=False), compared=12)
    assert isinstance(few, Inconclusive)
    assert few.sentence == "drift: 12 inputs of this stage compared, needs 18 more"
    assert isinstance(drift_of(a_measurement(alarm=True), compared=0), Stale)


def test_a_comparison_of_long_ago_does_not_pass() -> None:
    day_old = replace(a_measurement(alarm=False), at=NOW - timedelta(days=1))
    assert isinstance(drift_of(day_old), Passed)
    older = drift_of(replace(day_old, at=NOW - timedelta(days=1, seconds=1)))
    assert isinstance(older, Inconclusive)
    assert "last compared at 2026-05-31 11:59 UTC, over a day ago" in older.sentence


def test_a_comparison_by_a_clock_that_was_set_back_since_does_not_pass() -> None:
    ahead = drift_of(replace(a_measurement(alarm=False), at=NOW + timedelta(days=2)))
    assert isinstance(ahead, Inconclusive)
    assert ahead.sentence == (
        "drift: inputs were last compared at 2026-06-03 12:00 UTC, by a clock that was set back "
        "since"
    )


def test_a_shift_is_known_by_when_it_began_however_often_it_is_measured() -> None:
    shift = replace(a_measurement(alarm=True), detail={"episode": {"since": "monday"}})
    later = replace(shift, at=NOW + timedelta(hours=1))
    assert drift_of(shift).numbers["shifted_since"] == "monday"
    assert drift_of(later).numbers["shifted_since"] == "monday"
    assert drift_of(a_measurement(alarm=True)).numbers["shifted_since"] == NOW.isoformat()


def test_only_evidence_promotes() -> None:
    passed, silent = Judged("a", Passed("a is fine")), Judged("b", Inconclusive("b waits"))
    assert decide(TARGET, (passed,)) == Promote(TARGET, ("a is fine",))
    assert decide(TARGET, (passed, silent)) == Hold(("b waits",))
    assert decide(TARGET, (passed,), ("1 approval is missing",)) == Hold(("1 approval is missing",))
    assert isinstance(decide(TARGET, ()), Hold)
    failed = Judged("c", Failed("c harms"))
    assert decide(TARGET, (passed, silent, failed)) == RollBack(("c harms",))


def test_a_dry_run_reports_and_decides_nothing() -> None:
    spec = replace(ERROR_RATE, dry_run=True)
    (judged,) = judge_gates([spec], evidence(rows(20, errors=20)))
    assert (judged.dry_run, judged.result.verdict) == (True, "failed")
    assert isinstance(decide(TARGET, (judged,)), Hold)
    assert isinstance(decide(TARGET, (judged, Judged("a", Passed("fine")))), Promote)


def test_the_e_value_of_a_gate_is_that_of_its_weakest_segment_and_stays_a_number() -> None:
    what = [a_row(segments={"site": "a"})] * 74 + [a_row(segments={"site": "b"})] * 3
    gates = judge_gates([PER_SEGMENT, DRIFT], evidence(what, ("site",)))
    weakest = verdict(rows(3)).numbers["log_e_pass"]
    assert Judgement(Hold(()), gates).e_values == {"error-rate": pytest.approx(np.exp(weakest))}
    endless = (Judged("error-rate", Passed("fine", {"log_e_pass": 5_000.0})),)
    assert 1e300 < Judgement(Hold(()), endless).e_values["error-rate"] < float("inf")


def test_durations_are_spoken_in_their_two_largest_units() -> None:
    assert [spoken(s) for s in (0.2, 61, 90_000, 604_800)] == ["1 s", "1 min 1 s", "1 d 1 h", "7 d"]
