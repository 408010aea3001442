"""A live version under watch: its answers are sampled and become evidence, also beside others."""

from dataclasses import replace
from datetime import timedelta

from serving_fakes import NOW, a_plan, a_raw, a_route, gradual

from registry.domain.evidence import Arm
from registry.domain.plan import GateSpec, Review, StagePlan
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from serving.domain.admission import Record, record
from serving.domain.asked import Asked
from serving.domain.decide import decide
from serving.domain.exposing import failed_exposures
from serving.domain.routing import Assignment, Policy, Route, assign

SAMPLE = 0.25


def live_rollout(version: int) -> Rollout:
    candidate = a_route(gradual(100)).rollout
    assert candidate is not None
    live = StagePlan(Stage.LIVE, review=Review(sample=SAMPLE), watch_seconds=60.0)
    return replace(
        candidate,
        id="watched",
        version=version,
        plan=a_plan(gradual(100), live, segments=("site",)),
        stage=Stage.LIVE,
        watched_until=NOW + timedelta(days=1),
    )


def watched(route: Route, version: int) -> Route:
    rollout = live_rollout(version)
    policy = Policy(rollout.plan.flags, rollout.stage_plan.review, rollout)
    return replace(route, live=version, policies={version: policy})


def written(assignment: Assignment, number: float) -> Record:
    asked = Asked(
        "p", "i", "sha256:d", "image/jpeg", {"site": "north"}, None, "r", False, number, 0.9, NOW
    )
    raws = {v: a_raw(version=v) for v in (1, 2)}
    answering = raws[assignment.answering] if assignment.answering else None
    return record(asked, assignment, decide(assignment, answering), raws)


def test_the_answers_of_a_watched_version_are_sampled_as_its_plan_says() -> None:
    assignment = assign(watched(Route("waste"), 1), {}, NOW)
    for number, sampled in ((0.24, True), (0.25, False)):
        found = written(assignment, number)
        (row,) = found.evidence
        assert (row.rollout_id, row.stage, row.version) == ("watched", Stage.LIVE, 1)
        assert (row.sampled, row.inclusion_probability) == (sampled, SAMPLE)
        assert (found.item is not None) is sampled
        assert row.segments == {"site": "north"}


def test_a_version_that_nobody_watches_leaves_no_evidence() -> None:
    found = written(assign(Route("waste", live=1), {}, NOW), 0.0)
    assert (found.evidence, found.item) == ((), None)


def test_a_watched_version_is_judged_where_it_is_the_baseline_of_another() -> None:
    assignment = assign(watched(a_route(gradual(1)), 1), {}, NOW)
    assert assignment.answering == 1
    found = written(assignment, 0.2)
    assert [row.rollout_id for row in found.evidence] == ["watched"]
    assert found.item is not None


def test_one_review_of_a_shadow_judges_both_versions_at_the_larger_chance() -> None:
    part = StagePlan(Stage.MANUAL_REVIEW, review=Review(sample=0.1))
    assignment = assign(watched(a_route(part), 1), {}, NOW)
    rows = written(assignment, 0.2).evidence
    assert {(row.version, row.stage) for row in rows} == {
        (2, Stage.MANUAL_REVIEW),
        (1, Stage.LIVE),
    }
    assert {(row.inclusion_probability, row.sampled) for row in rows} == {(SAMPLE, True)}
    assert found_baseline(rows) == "glass"


def found_baseline(rows: tuple) -> str | None:  # type: ignore[type-arg]
    (candidate,) = (row for row in rows if row.version == 2)
    return candidate.baseline_label


def test_the_version_that_an_undo_returns_to_is_named_by_the_route_but_answers_nothing() -> None:
    route = Route("waste", live=2, previous=1)
    assert route.versions == {1, 2}
    assert route.trusted == {2}
    assert assign(route, {}, NOW).answering == 2


def with_traffic(version: int) -> Route:
    """The watched version's plan has a gate on traffic, segment by segment."""
    route = watched(a_route(gradual(50)), version)
    policy = route.policies[version]
    assert policy.watched is not None
    plan = policy.watched.plan
    gate = GateSpec("failures", {"at_most": 0.01, "ratio_at_most": 2.0, "per_segment": True})
    live = replace(plan.stages[-1], gates=(gate,))
    rollout = replace(policy.watched, plan=replace(plan, stages=(plan.stages[0], live)))
    return replace(route, policies={version: replace(policy, watched=rollout)})


def test_every_request_of_a_unit_tells_how_a_watched_version_answered_it() -> None:
    route, found = with_traffic(1), {}
    for user in range(20):
        attributes = {"user_id": str(user), "site": "north"}
        assignment = assign(route, attributes, NOW)
        asked = Asked(
            "p", "i", "sha256:d", "image/jpeg", attributes, None, "r", False, 0.9, 0.9, NOW
        )
        raws = {v: a_raw(version=v) for v in (1, 2)}
        outcome = decide(assignment, raws[assignment.answering or 0])
        rows = record(asked, assignment, outcome, raws).exposures
        found.setdefault(assignment.answering, []).append([row.rollout_id for row in rows])
        for row in rows:
            mine = row.rollout_id == "watched"
            assert (row.stage is Stage.LIVE, row.share == 1.0) == (mine, mine)
            assert row.segments == ({"site": "north"} if mine else None)
    assert set(map(tuple, found[1])) == {("rollout-1", "watched")}
    assert set(map(tuple, found[2])) == {("rollout-1",)}  # the new candidate answered
    nobody = assign(route, {}, NOW)
    assert failed_exposures(nobody, {}, NOW) == ()
    someone = assign(replace(route, rollout=None), {}, NOW)
    (row,) = failed_exposures(someone, {"user_id": "7"}, NOW)
    assert (row.rollout_id, row.failed, row.arm) == ("watched", True, Arm.CANDIDATE)
