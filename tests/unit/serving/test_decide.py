from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from serving_fakes import NOW, a_plan, a_raw, a_rollout, a_route, gradual

from registry.domain.evidence import Verdict
from registry.domain.plan import Answers, FlaggedThen, Flags, Late, Review, StagePlan
from registry.domain.stages import Stage
from serving.api.shapes import prediction
from serving.domain.admission import Record, record
from serving.domain.asked import Asked
from serving.domain.decide import Abstain, Answer, Hold, StandIn, decide, decide_without, flag
from serving.domain.failure import Failure
from serving.domain.prediction import Code, DecidedBy, RawPrediction, Status
from serving.domain.review import Planting, Presentation, Queue, presented
from serving.domain.routing import Assignment, assign
from serving.domain.shadowing import Beside, beside

UNREVIEWED = Review()
STRICT = Flags(out_of_domain=0.01, min_confidence=0.7)
ODD = a_raw(p_value=0.01)
UNSURE = a_raw(confidence=0.6)
USUAL = a_raw()
FAILURE = Failure("waste@2 failed on this input", counts=True)
DROPPED = Failure("waste@2 was too busy", counts=False)


def candidate(
    then: FlaggedThen = FlaggedThen.HOLD,
    review: Review = UNREVIEWED,
    baseline: int | None = 1,
    **part: Any,
):
    stage = StagePlan(Stage.GRADUAL, review=review, steps=gradual(100).steps, **part)
    plan = a_plan(stage, flags=replace(STRICT, then=then), segments=("site",))
    route = a_route(stage, plan=plan, baseline=baseline)
    return assign(route, {"user_id": "u"}, NOW)


def asked(number: float = 0.5, **changes: Any):
    base = Asked(
        "p", "i", "sha256:d", "image/jpeg", {"site": "north"}, None, "r", False, number, 0.9, NOW
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        (USUAL, []),
        (ODD, [Code.OUT_OF_DOMAIN]),
        (a_raw(p_value=0.0101), []),
        (UNSURE, [Code.LOW_CONFIDENCE]),
        (a_raw(confidence=0.7), []),
        (a_raw(p_value=None), []),
        (a_raw(confidence=0.6, p_value=0.001), [Code.OUT_OF_DOMAIN, Code.LOW_CONFIDENCE]),
    ],
)
def test_a_flag_is_raised_at_its_level(raw: RawPrediction, codes: list[Code]):
    assert [f.code for f in flag(raw, STRICT)] == codes


def test_a_flag_never_tells_a_label_to_a_held_caller():
    told = replace(ODD, domain_reason="far from everything; nearest class: glass")
    (found,) = flag(told, STRICT)
    assert "glass" not in found.reason
    (found,) = flag(replace(ODD, domain_reason="far from everything"), STRICT)
    assert found.reason.startswith("far from everything")


def test_a_flag_switched_off_is_never_raised():
    assert flag(a_raw(confidence=0.4, p_value=0.0), Flags()) == ()


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (FlaggedThen.HOLD, Hold),
        (FlaggedThen.REVIEW, Answer),
        (FlaggedThen.BASELINE, StandIn),
        (FlaggedThen.ABSTAIN, Abstain),
    ],
)
def test_a_flag_leads_to_what_the_plan_says(then: FlaggedThen, expected: Any):
    outcome = decide(candidate(then), ODD)
    assert isinstance(outcome, expected)
    assert [f.code for f in outcome.flags] == [Code.OUT_OF_DOMAIN]
    assert isinstance(decide(candidate(then), USUAL), Answer)


def test_a_flag_that_asks_for_a_baseline_which_is_not_there_holds():
    assert isinstance(decide(candidate(FlaggedThen.BASELINE, baseline=None), ODD), Hold)


def test_a_supervised_stage_holds_also_what_a_flag_would_let_go():
    part = StagePlan(Stage.LIMITED_SCOPE, answers=Answers.AFTER_APPROVAL)
    plan = a_plan(part, flags=replace(STRICT, then=FlaggedThen.ABSTAIN))
    outcome = decide(assign(a_route(part, plan=plan), {}, NOW), ODD)
    assert isinstance(outcome, Hold)
    assert [f.code for f in outcome.reasons] == [Code.SUPERVISED, Code.OUT_OF_DOMAIN]


def test_a_request_that_no_version_may_answer_is_held_without_a_model_answer():
    assignment = assign(a_route(gradual(1), baseline=None), {}, NOW)
    written = record(asked(), assignment, decide(assignment, None), {})
    assert written.prediction.status is Status.HELD
    assert written.item is not None
    assert (written.item.model_answer, written.item.labels) == (None, ("glass", "metal", "paper"))
    assert written.evidence == ()


def _written(assignment: Assignment, raw: RawPrediction, number: float = 0.5):
    raws = {raw.version: raw, 1: a_raw("paper", version=1)}
    return record(asked(number), assignment, decide(assignment, raw), raws)


@pytest.mark.parametrize(("number", "sampled"), [(0.0, True), (0.19, True), (0.2, False)])
def test_an_answer_is_reviewed_when_its_number_is_below_the_chance(number: float, sampled: bool):
    written = _written(candidate(review=Review(sample=0.2)), USUAL, number)
    assert (written.item is not None) is sampled
    (row,) = written.evidence
    assert (row.sampled, row.inclusion_probability) == (sampled, 0.2)
    assert row.segments == {"site": "north"}
    assert (row.due_at is not None) is sampled
    assert written.prediction.random_number == number
    assert written.prediction.inclusion_probability == 0.2


def test_a_flagged_answer_is_reviewed_at_the_chance_for_flagged_ones():
    assignment = candidate(FlaggedThen.REVIEW, Review(sample=0.0, flagged=0.5))
    written = _written(assignment, ODD, 0.4)
    assert written.item is not None
    assert written.evidence[0].inclusion_probability == 0.5
    assert written.prediction.decided_by is DecidedBy.MODEL


def test_an_answer_that_a_flag_keeps_back_is_no_evidence_for_or_against_the_candidate():
    assert _written(candidate(FlaggedThen.HOLD), ODD).evidence == ()
    assert _written(candidate(FlaggedThen.HOLD), ODD).item is not None


def told(
    assignment: Assignment,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure] | None = None,
    **changes: Any,
) -> tuple[Record, Beside]:
    """What is written with an answer, and after it, once the shadows have had their turn."""
    request, first = asked(**changes), {1: raws[1]}
    outcome = decide(assignment, raws[1])
    written = record(request, assignment, outcome, first)
    return written, beside(request, assignment, outcome, raws, failures or {}, written)


def in_shadow(review: Review, then: FlaggedThen = FlaggedThen.REVIEW) -> Assignment:
    assignment = assign(a_route(StagePlan(Stage.MANUAL_REVIEW, review=review)), {}, NOW)
    return replace(assignment, flags=replace(STRICT, then=then))


UNLIKE = {1: a_raw("paper", version=1), 2: a_raw("metal")}
ALIKE = {1: a_raw("metal", version=1), 2: a_raw("metal")}
BASELINE_UNSURE = {1: a_raw("metal", confidence=0.6, version=1), 2: a_raw("metal")}


@pytest.mark.parametrize("raws", [UNLIKE, ALIKE, BASELINE_UNSURE])
def test_a_shadow_is_looked_at_with_the_chance_that_its_evidence_names(
    raws: Mapping[int, RawPrediction],
):
    assignment = in_shadow(Review(sample=0.2, flagged=0.6))
    numbers = [(n + 0.5) / 1000 for n in range(1000)]
    both = [told(assignment, raws, number=number) for number in numbers]
    looked_at = [bool(written.item) + bool(shadow.item) for written, shadow in both]
    rows = [row for _, shadow in both for row in shadow.evidence]
    assert len(rows) == 1000
    assert max(looked_at) == 1, "one item for a request, whoever asks for it"
    assert [row.sampled for row in rows] == [bool(one) for one in looked_at]
    (chance,) = {row.inclusion_probability for row in rows}
    assert sum(looked_at) / 1000 == pytest.approx(chance)
    items = [one.item for pair in both for one in pair if one.item]
    assert {one.inclusion_probability for one in items} == {chance}


def test_a_held_request_has_its_question_with_it_and_gets_no_second_one():
    raws = {1: a_raw("paper", p_value=0.001, version=1), 2: a_raw("metal")}
    written, shadow = told(in_shadow(Review(sample=1.0), FlaggedThen.HOLD), raws)
    assert written.prediction.status is Status.HELD
    assert written.item is not None
    assert written.item.version == 1
    assert shadow.item is None
    (row,) = shadow.evidence
    assert (row.version, row.sampled, row.inclusion_probability) == (2, True, 1.0)


def test_what_the_answer_says_of_a_watched_version_waits_for_no_shadow():
    part = StagePlan(Stage.LIVE, review=Review(sample=1.0))
    assignment = replace(in_shadow(Review()), watched=a_rollout(part, version=1, id="before"))
    written, shadow = told(assignment, ALIKE)
    assert [(row.rollout_id, row.version) for row in written.evidence] == [("before", 1)]
    assert [row.version for row in shadow.evidence] == [2]


def test_a_shadow_is_reviewed_and_counted_but_the_baseline_is_what_the_caller_hears():
    part = StagePlan(Stage.MANUAL_REVIEW, review=Review(sample=1.0))
    assignment = assign(a_route(part), {}, NOW)
    raws = {1: a_raw("paper", version=1), 2: a_raw("metal")}
    written, shadow = told(assignment, raws)
    assert written.prediction.answer is not None
    assert written.prediction.answer.prediction == "paper"
    assert written.prediction.decided_by is DecidedBy.BASELINE
    assert (written.evidence, written.item) == ((), None)
    assert [s.said.prediction for s in shadow.shadows] == ["metal"]
    (row,) = shadow.evidence
    assert (row.model_label, row.baseline_label, row.sampled) == ("metal", "paper", True)
    assert shadow.item is not None
    assert shadow.item.version == 2
    assert "metal" not in str(prediction(written.prediction)["prediction"])


@pytest.mark.parametrize(("failure", "verdicts"), [(FAILURE, [Verdict.ERROR]), (DROPPED, [])])
def test_a_shadow_that_failed_is_an_error_and_the_answer_is_as_it_was(
    failure: Failure, verdicts: list[Verdict]
):
    part = StagePlan(Stage.MANUAL_REVIEW, review=Review(sample=1.0))
    assignment = assign(a_route(part), {}, NOW)
    only = {1: a_raw("paper", version=1)}
    written, shadow = told(assignment, only, {2: failure})
    assert [row.verdict for row in shadow.evidence] == verdicts
    assert [(s.said, s.failure) for s in shadow.shadows] == [(None, failure.reason)]
    assert (written.item, shadow.item) == (None, None)
    assert written.prediction.flags == ()
    assert written.prediction.decided_by is DecidedBy.BASELINE


@pytest.mark.parametrize(
    ("coin", "seen"),
    [
        (0.1, [Presentation.SHOWN, Presentation.BLIND, Presentation.BLIND]),
        (0.3, [Presentation.BLIND] * 3),
    ],
)
@pytest.mark.parametrize(("wanted", "asked_for"), [(1, 2), (2, 2), (3, 3)])
def test_the_coin_of_a_trial_holds_for_every_opinion_that_the_plan_wants(
    coin: float, seen: list[Presentation], wanted: int, asked_for: int
):
    """It is tossed when the request is admitted, so that nobody is asked otherwise later."""
    plan = Review(blind=0.0, shown=1.0, gold=0.4, opinions={"out-of-domain": wanted})
    assignment = candidate(FlaggedThen.HOLD, plan)
    written = record(
        asked(gold_number=coin, gold_id="g"), assignment, decide(assignment, ODD), {2: ODD}
    )
    assert written.item is not None
    item = written.item
    assert (item.opinions, item.likeness) == (asked_for, None)
    assert item.plants == Planting("g", 1.0, 1)
    assert item.reasons[0].code is Code.OUT_OF_DOMAIN
    assert [presented(item.presentation, n, Queue.WORK) for n in (1, 2, 3)] == seen
    assert presented(item.presentation, 2, Queue.LEAD) is Presentation.BLIND


def test_a_held_response_never_holds_a_label():
    written = _written(candidate(FlaggedThen.HOLD), ODD)
    shown = str(prediction(written.prediction))
    assert written.prediction.model_answer is not None
    assert not any(label in shown for label in ("glass", "metal", "paper"))


@pytest.mark.parametrize(
    ("late", "said", "version", "whose"),
    [
        (Late.BASELINE, "paper", 1, DecidedBy.BASELINE),
        (Late.MODEL_ANSWER, "glass", 2, DecidedBy.MODEL),
        (Late.ABSTAIN, None, 2, DecidedBy.FALLBACK),
    ],
)
def test_what_a_late_review_leads_to_is_settled_at_admission(
    late: Late, said: str | None, version: int, whose: DecidedBy
):
    part = StagePlan(Stage.LIMITED_SCOPE, review=Review(late=late), answers=Answers.AFTER_APPROVAL)
    written = _written(assign(a_route(part), {}, NOW), USUAL)
    fallback = written.prediction.fallback
    assert fallback is not None
    assert fallback.label.prediction == said
    assert (fallback.version, fallback.decided_by) == (version, whose)
    assert written.prediction.late is late


@pytest.mark.parametrize("answers", list(Answers))
def test_an_answer_that_a_flag_keeps_back_is_not_released_late_either(answers: Answers):
    review = Review(late=Late.MODEL_ANSWER)
    part = StagePlan(Stage.LIMITED_SCOPE, review=review, answers=answers)
    plan = a_plan(part, flags=replace(STRICT, then=FlaggedThen.HOLD))
    written = _written(assign(a_route(part, plan=plan), {}, NOW), ODD)
    assert written.prediction.late is Late.ABSTAIN
    assert written.prediction.fallback is not None
    assert written.prediction.fallback.label.prediction is None


def test_a_candidate_that_fails_is_answered_for_by_the_baseline_and_leaves_an_error():
    assignment = candidate(review=Review(sample=0.1))
    raws = {1: a_raw("paper", version=1)}
    outcome = decide_without(assignment, FAILURE)
    written = record(asked(0.99), assignment, outcome, raws, {2: FAILURE})
    found = written.prediction
    assert found.answer is not None
    assert (found.answer.prediction, found.version) == ("paper", 1)
    assert found.decided_by is DecidedBy.BASELINE
    assert [f.code for f in found.flags] == [Code.FAILED]
    (row,) = written.evidence
    assert (row.version, row.verdict, row.sampled) == (2, Verdict.ERROR, True)
    assert (row.inclusion_probability, row.baseline_label) == (1.0, "paper")
    assert row.due_at is None


def test_a_candidate_that_fails_without_a_baseline_sends_the_request_to_a_person():
    assignment = candidate(baseline=None)
    written = record(asked(), assignment, decide_without(assignment, FAILURE), {}, {2: FAILURE})
    assert written.prediction.status is Status.HELD
    assert written.item is not None
    assert written.item.labels == ("glass", "metal", "paper")
    assert [row.verdict for row in written.evidence] == [Verdict.ERROR]


def test_what_was_dropped_is_no_error_of_the_candidate():
    assignment = candidate()
    raws = {1: a_raw("paper", version=1)}
    outcome = decide_without(assignment, DROPPED)
    assert record(asked(), assignment, outcome, raws, {2: DROPPED}).evidence == ()


def test_a_late_baseline_without_a_baseline_is_an_abstention():
    part = StagePlan(Stage.MANUAL_REVIEW, review=Review(late=Late.BASELINE))
    assignment = assign(a_route(part, baseline=None), {}, NOW)
    written = record(asked(), assignment, decide(assignment, USUAL), {2: USUAL})
    assert written.prediction.late is Late.ABSTAIN


def test_the_baseline_is_not_sampled_for_the_candidates_evidence():
    part = replace(gradual(0), review=Review(sample=1.0))
    assignment = assign(a_route(part), {"user_id": "u"}, NOW)
    raw = a_raw(version=1)
    written = record(asked(0.0), assignment, decide(assignment, raw), {1: raw})
    assert (written.item, written.evidence) == (None, ())
    assert written.prediction.inclusion_probability == 0.0


def test_a_live_version_without_a_plan_reports_flags_and_answers():
    assignment = assign(a_route(), {}, NOW)
    raw = a_raw(p_value=0.001, version=1)
    written = record(asked(0.0), assignment, decide(assignment, raw), {1: raw})
    assert written.prediction.status is Status.FINAL
    assert [f.code for f in written.prediction.flags] == [Code.OUT_OF_DOMAIN]
    assert (written.item, written.prediction.threshold) == (None, 0.01)


def test_held_requests_with_a_caller_on_the_line_come_first_and_audits_by_their_number_apart():
    def key(assignment: Assignment, raw: RawPrediction, **changes: Any):
        raws = {2: raw, 1: a_raw(version=1)}
        item = record(asked(**changes), assignment, decide(assignment, raw), raws).item
        assert item is not None
        return item.queue == "audit", item.sort_key

    held, audit = candidate(), candidate(review=Review(sample=1.0))
    reviewed = candidate(FlaggedThen.REVIEW)
    keys = [
        key(held, ODD, waiting=True),
        key(held, ODD),
        key(reviewed, ODD),
        key(audit, USUAL, number=0.1),
        key(audit, USUAL, number=0.2),
    ]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("draw", "expected"), [(0.09, Presentation.BLIND), (0.1, Presentation.ANSWER_FIRST)]
)
def test_the_blind_share_is_drawn_at_random(draw: float, expected: Any):
    assignment = candidate(review=Review(blind=0.1))
    raws = {2: ODD, 1: a_raw(version=1)}
    written = record(asked(presentation_number=draw), assignment, decide(assignment, ODD), raws)
    assert written.item is not None
    assert written.item.presentation is expected
