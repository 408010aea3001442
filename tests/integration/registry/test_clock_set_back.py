"""A clock that is set back: order, waits, harm, the audit log and certificates stay true."""

from datetime import timedelta

import pytest
from certificates import certified, checked
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import GatesNotPassed
from registry.domain.gates import Judged, Passed, Stale
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.services import control
from registry.services.check_audit import check_audit
from registry.services.judge import GateMemory, judge
from registry.services.promote import promote
from registry.services.tick import intent, tick
from registry.services.watch import watch

pytestmark = pytest.mark.integration
BACK = timedelta(days=-400)
SHORT = "  deadline: {after: 30d"
LONG = "  advance: {after: 7d}\n  deadline: {after: 30d"


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def promoted(world: World, **wishes: object) -> Rollout:
    return world.do(lambda u: promote(u, "bears", "bob", world.now, **wishes))  # type: ignore[arg-type, return-value]


def set_back(world: World) -> None:
    world.now += BACK


def test_the_newer_rollout_is_the_one_that_was_started_later(world: World) -> None:
    world.start()
    world.do(lambda u: control.abort(u, "bears", "eve", world.now))
    set_back(world)
    later = world.start()
    world.do(lambda u: control.abort(u, "bears", "eve", world.now))
    assert world.rollout().id == later.id
    assert later.started_at == world.now, "it says when it was started, by the clock that there was"
    with world.database.read() as connection:
        rollouts = SqlUnitOfWork(connection).rollouts
        last = rollouts.of_version("bears", 2)
        assert last is not None
        assert (last.id, rollouts.stages("bears")) == (later.id, {2: Stage.ROLLED_BACK})


def test_a_stage_without_a_least_length_does_not_begin_to_have_one(world: World) -> None:
    world.start()
    world.review(correct=80)
    set_back(world)
    assert promoted(world).stage is Stage.LIMITED_SCOPE


def test_a_stage_that_has_one_says_from_when_it_counts_and_how_to_go_on(world: World) -> None:
    began = world.start(PLAN.replace(SHORT, LONG)).stage_since
    world.review(correct=80)
    world.wait(days=3)
    with pytest.raises(GatesNotPassed, match=r"manual review lasts 4 d more$"):
        promoted(world)
    set_back(world)
    with pytest.raises(GatesNotPassed) as refused:
        promoted(world)
    assert refused.value.reasons == (
        f"manual review lasts 7 d from {began:%Y-%m-%d %H:%M} UTC on, when it began by a clock "
        "that was set back since; override with a reason, or abort and start it again",
    )
    assert promoted(world, override=True, reason="the clock").stage is Stage.LIMITED_SCOPE


def test_clocks_of_replicas_that_differ_by_seconds_are_no_clock_that_was_set_back(
    world: World,
) -> None:
    world.start(PLAN.replace(SHORT, LONG))
    world.review(correct=80)
    world.wait(seconds=-20)
    with pytest.raises(GatesNotPassed, match=r"manual review lasts 7 d more$"):
        promoted(world)


def test_drift_goes_on_to_be_evidence_by_the_clock_that_there_is(world: World) -> None:
    world.start()
    world.review(correct=80)
    world.measure_drift(alarm=False)
    promoted(world)
    set_back(world)

    def drift_gate() -> Judged:
        with world.database.read() as connection:
            gates = judge(SqlUnitOfWork(connection), world.rollout(), world.now).gates
        return next(gate for gate in gates if gate.type == "drift")

    assert "set back since" in drift_gate().result.sentence
    world.measure_drift(alarm=False)
    assert drift_gate().result.sentence == "drift: 0 inputs of this stage compared, needs 30 more"
    world.review(correct=120)
    world.wait(minutes=1)
    world.measure_drift(alarm=False)
    assert isinstance(drift_gate().result, Passed)
    world.wait(minutes=1)
    world.measure_drift(alarm=True)
    assert isinstance(drift_gate().result, Stale)
    with pytest.raises(GatesNotPassed, match="domain shift"):
        promoted(world)


def test_harm_is_taken_back_also_while_a_stage_has_not_begun_by_the_clock(world: World) -> None:
    world.start()
    memory = GateMemory()

    def turn() -> Rollout | None:
        with world.database.read() as connection:
            seen = intent(SqlUnitOfWork(connection), world.rollout(), world.now, memory)
        return world.do(lambda u: tick(u, "bears", world.now, seen))  # type: ignore[return-value]

    world.review(correct=20)
    assert turn() is None
    set_back(world)
    world.review(errors=40)
    taken = turn()
    assert taken is not None
    assert taken.stage is Stage.ROLLED_BACK


def controlled(world: World) -> Rollout | None:
    return world.do(lambda u: tick(u, "bears", world.now))  # type: ignore[return-value]


def test_a_deadline_takes_its_whole_time_from_when_the_clock_was_seen_to_be_set_back(
    world: World,
) -> None:
    began = world.start().stage_since
    world.review(correct=1)
    world.wait(days=29)
    set_back(world)
    again = controlled(world)
    assert again is not None
    assert (again.stage, again.stage_since) == (Stage.MANUAL_REVIEW, world.now)
    with world.database.read() as connection:
        said = SqlUnitOfWork(connection).audit.read("bears")[-1]
    assert said.action == "clock-set-back"
    assert said.detail["reason"] == (
        f"the clock was set back: manual review began at {began:%Y-%m-%d %H:%M} UTC by what it "
        "said then, so its times are counted from now on"
    )
    assert controlled(world) is None, "once is enough"
    world.wait(days=29)
    controlled(world)  # says that the deadline is near
    assert world.rollout().stage is Stage.MANUAL_REVIEW, "not early"
    world.wait(days=1, minutes=1)
    ended = controlled(world)
    assert ended is not None
    assert ended.stage is Stage.EXPIRED, "and not in 400 days"


def test_a_clock_that_is_back_within_the_stage_postpones_a_deadline_by_no_more_than_that(
    world: World,
) -> None:
    began = world.start().stage_since
    world.wait(days=20)
    world.now -= timedelta(days=10)
    world.review(correct=1)
    assert controlled(world) is None
    assert world.rollout().stage_since == began
    world.now = began + timedelta(days=30)
    ended = controlled(world)
    assert ended is not None
    assert ended.stage is Stage.EXPIRED


def test_replicas_whose_clocks_differ_by_seconds_count_nothing_anew(world: World) -> None:
    world.start()
    world.wait(seconds=-50)
    assert controlled(world) is None


def test_a_paused_rollout_and_the_step_of_gradual_are_counted_anew_too(world: World) -> None:
    world.start()
    promoted(world, to="gradual", override=True, reason="on")
    world.do(lambda u: control.pause(u, "bears", "eve", world.now, "lunch"))
    set_back(world)
    again = controlled(world)
    assert again is not None
    assert (again.step_since, again.paused is not None) == (world.now, True)
    assert again.paused is not None


def test_a_watch_ends_in_its_own_time_though_the_clock_was_set_back(world: World) -> None:
    world.start(PLAN + "- stage: live\n  watch: 5d\n  review: {sample: 0.5}\n")
    promoted(world, to="live", override=True, reason="on")
    set_back(world)
    world.do(lambda u: watch(u, "bears", world.now))
    watched = world.rollout()
    assert watched.watched_until == world.now + timedelta(days=5)
    world.wait(days=5)
    world.do(lambda u: watch(u, "bears", world.now))
    assert (world.rollout().stage, world.rollout().watched) == (Stage.LIVE, False)


def test_the_log_and_a_certificate_tell_what_happened_in_the_order_in_which_it_did(
    world: World,
) -> None:
    world.start()
    world.wait(hours=1)
    world.review(correct=80)
    promoted(world)
    set_back(world)
    controlled(world)
    world.review(correct=120)
    world.measure_drift(alarm=False)
    promoted(world)
    world.wait(minutes=1)
    world.review(correct=200)
    promoted(world, override=True, reason="the step bakes by the other clock")
    world.wait(days=-1)
    promoted(world, override=True, reason="on")
    assert [action for _, action in world.actions()] == [
        "started", "promoted", "clock-set-back", "promoted", "overridden", "overridden"
    ]  # fmt: skip
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        assert check_audit(unit).intact
        times = [event.at for event in unit.audit.read("bears")]
    assert times != sorted(times)
    found = checked(certified(world.database))[1]
    assert [one.before.stage for one in found] == [
        Stage.MANUAL_REVIEW, Stage.LIMITED_SCOPE, Stage.GRADUAL, Stage.GRADUAL
    ]  # fmt: skip
