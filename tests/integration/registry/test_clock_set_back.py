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
    world.review(correct=1)
    assert turn() is None
    world.review(errors=40)
    taken = turn()
    assert taken is not None
    assert taken.stage is Stage.ROLLED_BACK


def controlled(world: World) -> Rollout | None:
    return world.do(lambda u: tick(u, "bears", world.now))  # type: ignore[return-value]


def test_a_clock_that_goes_back_and_returns_fulfils_no_wait(world: World) -> None:
    began = world.start(PLAN.replace(SHORT, LONG.replace("7d", "7d, automatic: true"))).stage_since
    world.review(correct=80)
    world.now = began - timedelta(days=10)
    assert controlled(world) is None
    world.now = began + timedelta(minutes=5)
    assert controlled(world) is None
    world.now = began + timedelta(days=7)
    went = controlled(world)
    assert went is not None
    assert went.stage is Stage.LIMITED_SCOPE


def test_a_clock_that_goes_back_and_returns_passes_no_deadline(world: World) -> None:
    began = world.start().stage_since
    world.review(correct=1)
    world.now = began - timedelta(days=40)
    assert controlled(world) is None
    world.now = began + timedelta(minutes=5)
    assert controlled(world) is None
    world.now = began + timedelta(days=30)
    ended = controlled(world)
    assert ended is not None
    assert ended.stage is Stage.EXPIRED


def test_a_clock_that_goes_back_and_returns_ends_no_watch(world: World) -> None:
    world.start(PLAN + "- stage: live\n  watch: 5d\n  review: {sample: 0.5}\n")
    began = promoted(world, to="live", override=True, reason="on").stage_since

    def watched() -> Rollout | None:
        return world.do(lambda u: watch(u, "bears", world.now))  # type: ignore[return-value]

    world.now = began - timedelta(days=40)
    assert watched() is None
    world.now = began + timedelta(minutes=5)
    assert watched() is None
    assert world.rollout().watched_until == began + timedelta(days=5)
    world.now = began + timedelta(days=5)
    assert watched() is not None
    assert (world.rollout().stage, world.rollout().watched) == (Stage.LIVE, False)


def test_drift_of_the_stage_before_stays_that_though_the_clock_goes_back_for_a_moment(
    world: World,
) -> None:
    world.start()
    world.review(correct=80)
    world.measure_drift(alarm=False)
    promoted(world)
    right = world.now
    world.now = right - timedelta(hours=6)
    world.review(correct=5)
    assert controlled(world) is None
    world.now = right
    assert controlled(world) is None
    with world.database.read() as connection:
        gates = judge(SqlUnitOfWork(connection), world.rollout(), world.now).gates
    found = next(gate.result for gate in gates if gate.type == "drift")
    assert found.sentence == "drift: 5 inputs of this stage compared, needs 25 more"


def test_the_log_and_a_certificate_tell_what_happened_in_the_order_in_which_it_did(
    world: World,
) -> None:
    world.start()
    world.wait(hours=1)
    world.review(correct=80)
    promoted(world)
    set_back(world)
    world.review(correct=120)
    world.measure_drift(alarm=False)
    promoted(world)
    world.wait(minutes=1)
    world.review(correct=200)
    promoted(world, override=True, reason="the step bakes by the other clock")
    world.wait(days=-1)
    promoted(world, override=True, reason="on")
    assert [action for _, action in world.actions()] == [
        "started", "promoted", "promoted", "overridden", "overridden"
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
