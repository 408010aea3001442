"""A rollout from its start to live and back, on SQLite and on PostgreSQL."""

import pytest
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import (
    Conflict,
    Forbidden,
    GatesNotPassed,
    Invalid,
    NotFound,
    StageConflict,
)
from registry.domain.evidence import DriftMeasurement
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.services import control
from registry.services.approve import approve
from registry.services.check_audit import check_audit
from registry.services.judge import judge
from registry.services.promote import promote
from registry.services.tick import tick

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def promoted(world: World, **wishes: object) -> Rollout:
    with world.database.begin() as connection:
        return promote(SqlUnitOfWork(connection), "bears", "bob", world.now, **wishes)  # type: ignore[arg-type]


def ticked(world: World) -> Rollout | None:
    with world.database.begin() as connection:
        return tick(SqlUnitOfWork(connection), "bears", world.now)


def straight_to_live(world: World, version: int, baseline: str = "none") -> Rollout:
    world.start(PLAN.replace("version: 2", f"version: {version}").replace("none", baseline, 1))
    return promoted(world, to="live", override=True, reason="test")


def test_a_rollout_goes_through_its_stages_on_evidence_alone(world: World) -> None:
    world.start()
    world.review(correct=80)
    assert promoted(world).stage is Stage.LIMITED_SCOPE
    world.review(correct=80)
    with pytest.raises(GatesNotPassed, match="drift: no inputs were compared"):
        promoted(world)
    world.measure_drift(alarm=False)
    assert (promoted(world).stage, world.rollout().weight) == (Stage.GRADUAL, 5)
    world.review(correct=200)
    with pytest.raises(GatesNotPassed, match="the step of 5 % bakes 1 h more"):
        promoted(world)
    world.wait(hours=1)
    assert promoted(world).weight == 50
    with pytest.raises(GatesNotPassed, match="no answer of the present step has been reviewed"):
        promoted(world)
    world.review(correct=1)
    live = promoted(world)
    assert (live.stage, live.generation, live.ended_at) == (Stage.LIVE, 5, None)
    assert world.live() == (2, None)
    assert world.actions() == [("bob", "started")] + [("bob", "promoted")] * 4
    assert world.effects() == [
        ("candidate", 2, None),
        ("stage", 2, "manual-review"),
        ("candidate", 2, None),
        ("stage", 2, "limited-scope"),
        ("candidate", 2, None),
        ("stage", 2, "gradual"),
        ("candidate", None, None),
        ("live", 2, None),
        ("stage", 2, "live"),
    ]


def test_without_evidence_a_promotion_is_refused_with_what_is_missing(world: World) -> None:
    world.start()
    world.review(correct=12)
    with pytest.raises(GatesNotPassed) as refused:
        promoted(world)
    assert refused.value.reasons == ("error rate: 12 reviewed, 0 errors, needs about 62 more",)
    assert world.rollout().generation == 1


def test_the_audit_log_keeps_the_numbers_that_a_promotion_saw(world: World) -> None:
    rollout = world.start()
    world.review(correct=80)
    promoted(world)
    with world.database.read() as connection:
        event = SqlUnitOfWork(connection).audit.read()[-1]
    assert event.detail["plan_digest"] == rollout.plan_digest
    assert event.detail["version_digest"] == "sha256:2"
    (gate,) = event.detail["gates"]
    assert (gate["verdict"], gate["numbers"]["answers"], gate["numbers"]["errors"]) == (
        "passed",
        80,
        0,
    )


def test_a_model_has_one_candidate_and_a_candidate_needs_another_baseline(world: World) -> None:
    with pytest.raises(Invalid, match="write `baseline: none`"):
        world.start(PLAN.replace("none", "live", 1))
    with pytest.raises(NotFound, match="has no version 9"):
        world.start(PLAN.replace("version: 2", "version: 9"))
    world.start()
    with pytest.raises(Conflict, match="bears@2 is already a candidate, in manual review"):
        world.start(PLAN.replace("version: 2", "version: 3"))
    promoted(world, to="live", override=True, reason="test")
    with pytest.raises(Conflict, match="bears@2 is live already"):
        world.start()


def test_skipping_needs_an_override_and_an_override_needs_a_reason(world: World) -> None:
    world.start()
    world.review(correct=80)
    with pytest.raises(GatesNotPassed, match="skips part of the plan"):
        promoted(world, to="live")
    with pytest.raises(Invalid, match="needs a reason"):
        promoted(world, to="live", override=True, reason=" ")
    with pytest.raises(StageConflict, match="limited-scope, gradual, live, not to manual-review"):
        promoted(world, to="manual-review")
    assert promoted(world, to="gradual", override=True, reason="a friend asked").step == 0
    with world.database.read() as connection:
        event = SqlUnitOfWork(connection).audit.read()[-1]
    assert (event.action, event.detail["reason"]) == ("overridden", "a friend asked")


def test_a_promotion_at_an_old_generation_is_a_conflict(world: World) -> None:
    world.start()
    world.review(correct=80)
    with pytest.raises(Conflict, match="at generation 1, not 7"):
        promoted(world, expected_generation=7)
    assert promoted(world, expected_generation=1).generation == 2


def test_a_new_live_version_retains_the_old_one_and_undo_brings_it_back(world: World) -> None:
    straight_to_live(world, 1)
    straight_to_live(world, 2, baseline="live")
    assert world.live() == (2, 1)
    with world.database.read() as connection:
        old = SqlUnitOfWork(connection).rollouts.of_version("bears", 1)
    assert old is not None
    assert old.stage is Stage.RETAINED
    assert world.do(lambda u: control.undo(u, "bears", "bob", world.now).stage) == "rolled-back"
    assert world.live() == (1, None)
    with world.database.read() as connection:
        old = SqlUnitOfWork(connection).rollouts.of_version("bears", 1)
    assert old is not None
    assert (old.stage, old.ended_at) == (Stage.LIVE, None)
    assert world.effects()[-2:] == [("live", 1, None), ("stage", 1, "live")]
    with pytest.raises(StageConflict, match="nothing was live before bears@1"):
        world.do(lambda u: control.undo(u, "bears", "bob", world.now))


def test_abort_takes_out_a_candidate_and_leaves_the_live_version(world: World) -> None:
    straight_to_live(world, 1)
    world.start(PLAN.replace("none", "live", 1))
    back = world.do(lambda u: control.abort(u, "bears", "bob", world.now, "odd").stage)
    assert back is Stage.ROLLED_BACK
    assert world.live() == (1, None)
    assert world.effects()[-2:] == [("candidate", None, None), ("stage", 2, "rolled-back")]


def test_abort_wins_over_a_promotion_to_live_that_came_first(world: World) -> None:
    straight_to_live(world, 1)
    straight_to_live(world, 2, baseline="live")
    world.do(lambda u: control.abort(u, "bears", "bob", world.now))
    assert world.live() == (1, None)
    world.do(lambda u: control.abort(u, "bears", "bob", world.now))
    assert world.live() == (None, None)
    with pytest.raises(
        StageConflict, match="is rolled back, and its rollout is over; abort works in"
    ):
        world.do(lambda u: control.abort(u, "bears", "bob", world.now))


def test_a_candidate_follows_its_baseline_when_the_live_version_is_undone(world: World) -> None:
    straight_to_live(world, 1)
    straight_to_live(world, 2, baseline="live")
    candidate = world.start(PLAN.replace("version: 2", "version: 3").replace("none", "live", 1))
    assert candidate.baseline == 2
    world.do(lambda u: control.undo(u, "bears", "bob", world.now))
    assert (world.rollout().version, world.rollout().baseline) == (3, 1)


def test_a_paused_rollout_is_not_promoted_until_somebody_resumes_it(world: World) -> None:
    world.start()
    world.review(correct=80)
    world.do(lambda u: control.pause(u, "bears", "eve", world.now, "looking"))
    with pytest.raises(StageConflict, match="paused by eve: looking; resume it first"):
        promoted(world)
    with pytest.raises(StageConflict, match="already paused by eve"):
        world.do(lambda u: control.pause(u, "bears", "bob", world.now))
    world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    with pytest.raises(StageConflict, match="is not paused"):
        world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    assert promoted(world).stage is Stage.LIMITED_SCOPE


def test_an_approval_binds_to_its_evidence_and_never_comes_from_the_author(world: World) -> None:
    world.start(PLAN.replace("then: roll-back}", "then: roll-back}\n  advance: {approvals: 1}"))
    world.review(correct=200)

    def digest() -> str:
        with world.database.read() as connection:
            return judge(SqlUnitOfWork(connection), world.rollout(), world.now).evidence_digest

    seen = digest()
    with pytest.raises(GatesNotPassed, match="0 of 1 approvals"):
        promoted(world)
    with pytest.raises(Forbidden, match="ann registered bears@2"):
        world.do(lambda u: approve(u, "bears", "ann", seen, world.now))
    with pytest.raises(Conflict, match="look at the gates again"):
        world.do(lambda u: approve(u, "bears", "eve", "sha256:old", world.now))
    world.do(lambda u: approve(u, "bears", "eve", seen, world.now))
    world.review(correct=1)
    assert digest() == seen
    world.review(errors=1)
    with pytest.raises(GatesNotPassed, match="0 of 1 approvals"):
        promoted(world)
    world.do(lambda u: approve(u, "bears", "eve", digest(), world.now))
    assert promoted(world).stage is Stage.LIMITED_SCOPE


@pytest.mark.parametrize("to", [None, "limited-scope", "gradual"])
@pytest.mark.parametrize("state", ["running", "paused", "waiting for approval"])
def test_harm_is_rolled_back_by_the_controller_in_every_stage_and_state(
    world: World, to: str | None, state: str
) -> None:
    world.start(PLAN.replace("  deadline", "  advance: {approvals: 1}\n  deadline"))
    if to is not None:
        promoted(world, to=to, override=True, reason="test")
    if state == "paused":
        world.do(lambda u: control.pause(u, "bears", "eve", world.now))
    world.review(correct=20)
    assert ticked(world) is None
    if state == "waiting for approval":
        world.review(correct=180)
        world.measure_drift(alarm=False)
        world.wait(hours=1)
        assert ticked(world) is None
        assert {"waiting-for-approval", "waiting-for-promotion"} & dict(world.told()).keys()
    world.review(errors=60)
    rolled_back = ticked(world)
    assert rolled_back is not None
    assert rolled_back.stage is Stage.ROLLED_BACK
    assert world.actions()[-1] == ("controller", "aborted")
    assert ticked(world) is None


def test_a_shift_pauses_once_for_each_measurement(world: World) -> None:
    world.start()
    promoted(world, override=True, reason="test")
    world.review(correct=80)
    world.wait(minutes=1)
    world.measure_drift(alarm=True)
    paused = ticked(world)
    assert paused is not None
    assert paused.paused is not None
    assert paused.paused.by == "controller"
    assert "is stale: domain shift: brightness moved" in paused.paused.reason
    world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    assert ticked(world) is None
    with pytest.raises(GatesNotPassed, match="stale"):
        promoted(world)
    world.wait(minutes=1)
    world.measure_drift(alarm=True)
    assert ticked(world) is not None
    world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    world.wait(minutes=1)
    world.measure_drift(alarm=False)
    assert promoted(world).stage is Stage.GRADUAL


def test_one_shift_pauses_once_however_often_it_is_measured(world: World) -> None:
    def measure(since: str) -> None:
        world.wait(minutes=1)
        at, detail = world.now, {"episode": {"since": since, "renewed": world.now.isoformat()}}
        measurement = DriftMeasurement(
            "bears", 2, at, at, 500, True, "domain shift: it is dark", detail, at
        )
        world.do(lambda u: u.drift.add(measurement))

    world.start()
    promoted(world, override=True, reason="test")
    measure("2026-06-01T12:00:00+00:00")
    paused = ticked(world)
    assert paused is not None
    assert paused.paused is not None
    assert paused.paused.reason.endswith("is stale: domain shift: it is dark")
    world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    measure("2026-06-01T12:00:00+00:00")
    assert ticked(world) is None
    measure("2026-06-02T00:00:00+00:00")
    assert ticked(world) is not None


def test_a_comparison_before_the_stage_or_of_too_few_of_its_inputs_passes_no_gate(
    world: World,
) -> None:
    world.start()
    world.measure_drift(alarm=False)
    world.wait(seconds=1)
    promoted(world, override=True, reason="test")
    world.review(correct=20)
    with pytest.raises(GatesNotPassed, match="drift: no inputs were compared since the stage"):
        promoted(world)
    world.measure_drift(alarm=False)
    with pytest.raises(GatesNotPassed, match="20 inputs of this stage compared, needs 10 more"):
        promoted(world)
    world.wait(seconds=1)
    world.review(correct=80)
    with pytest.raises(GatesNotPassed, match="20 inputs of this stage compared, needs 10 more"):
        promoted(world)
    world.measure_drift(alarm=False)
    assert promoted(world).stage is Stage.GRADUAL


def test_a_deadline_rolls_back_or_holds_as_the_plan_says(world: World) -> None:
    world.start()
    world.wait(days=29)
    assert ticked(world) is None
    world.wait(days=1)
    back = ticked(world)
    assert back is not None
    assert back.stage is Stage.EXPIRED
    assert world.actions()[-1] == ("controller", "expired")
    world.start()
    promoted(world, override=True, reason="test")
    world.wait(days=14)
    held = ticked(world)
    assert held is not None
    assert held.paused is not None
    assert held.paused.reason == "limited scope reached its deadline of 14 d"
    world.do(lambda u: control.resume(u, "bears", "bob", world.now))
    assert ticked(world) is None


def test_an_automatic_stage_goes_on_by_itself_when_its_gates_pass(world: World) -> None:
    automatic = PLAN.replace("then: roll-back}", "then: roll-back}\n  advance: {automatic: true}")
    world.start(automatic)
    world.review(correct=73)
    assert ticked(world) is None
    world.review(correct=1)
    after = ticked(world)
    assert after is not None
    assert after.stage is Stage.LIMITED_SCOPE
    assert world.actions()[-1] == ("controller", "promoted")
    world.review(correct=80)
    world.measure_drift(alarm=False)
    assert ticked(world) is None


def test_every_change_moves_the_routing_clock_and_extends_an_intact_chain(world: World) -> None:
    def clock() -> int:
        with world.database.read() as connection:
            return SqlUnitOfWork(connection).routing_clock.value()

    values = [clock()]
    straight_to_live(world, 1)
    values.append(clock())
    world.start(PLAN.replace("none", "live", 1))
    values.append(clock())
    world.do(lambda u: control.pause(u, "bears", "eve", world.now))
    values.append(clock())
    world.do(lambda u: control.abort(u, "bears", "eve", world.now))
    values.append(clock())
    assert values == sorted(set(values))
    with world.database.read() as connection:
        found = check_audit(SqlUnitOfWork(connection))
    assert (found.intact, found.events) == (True, 5)
