"""What was judged without keeping anybody from writing is acted on only if it still holds."""

from datetime import timedelta

import pytest
from certificates import certified, checked
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import GatesNotPassed, StageConflict
from registry.domain.stages import Stage
from registry.services import control
from registry.services.judge import GateMemory
from registry.services.promote import Prepared, prepare, prepare_if_ready, promote
from registry.services.tick import Intent, intent, tick
from registry.services.watch import watch, watch_finds

pytestmark = pytest.mark.integration
AUTOMATIC = PLAN.replace("then: roll-back}", "then: roll-back}\n  advance: {automatic: true}")


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.start(AUTOMATIC)
    world.review(correct=80)
    return world


def prepared(world: World) -> Prepared:
    with world.database.read() as connection:
        return prepare(SqlUnitOfWork(connection), world.rollout(), world.now)


def seen(world: World) -> Intent:
    with world.database.read() as connection:
        return intent(SqlUnitOfWork(connection), world.rollout(), world.now)


def test_verdicts_that_come_after_a_look_are_no_part_of_its_promotion(world: World):
    found = prepared(world)
    world.wait(seconds=3)
    world.review(errors=70)
    world.do(lambda u: promote(u, "bears", "bob", world.now, seen=found))
    assert world.rollout().stage is Stage.LIMITED_SCOPE
    assert world.rollout().stage_since == world.now - timedelta(seconds=3)
    (promotion,) = checked(certified(world.database))[1]
    assert promotion.answers == 80


def test_a_promotion_of_a_rollout_that_was_paused_after_the_look_is_refused(world: World):
    found = prepared(world)
    world.do(lambda u: control.pause(u, "bears", "ann", world.now, "wait"))
    with pytest.raises(StageConflict, match="paused by ann"):
        world.do(lambda u: promote(u, "bears", "bob", world.now, seen=found))


def test_a_promotion_of_a_rollout_that_was_changed_after_the_look_is_judged_anew(world: World):
    found = prepared(world)
    world.do(lambda u: control.pause(u, "bears", "ann", world.now, "wait"))
    world.do(lambda u: control.resume(u, "bears", "ann", world.now))
    world.review(correct=5)
    world.do(lambda u: promote(u, "bears", "bob", world.now, seen=found))
    with world.database.read() as connection:
        last = SqlUnitOfWork(connection).audit.read()[-1]
    assert last.detail["log"]["rows"] == 85


def test_a_promotion_that_the_counts_refuse_reads_no_log(world: World):
    world.review(errors=70)
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        found = prepare_if_ready(unit, world.rollout(), world.now, GateMemory())
    assert not isinstance(found, Prepared)
    with pytest.raises(GatesNotPassed, match="error rate"):
        world.do(lambda u: promote(u, "bears", "bob", world.now, seen=found))
    world.do(lambda u: promote(u, "bears", "bob", world.now, None, None, True, "x", found))
    assert world.rollout().stage is Stage.LIMITED_SCOPE


def test_the_controller_does_nothing_to_a_rollout_that_was_changed_after_its_look(world: World):
    found = seen(world)
    assert found.wish is not None
    world.do(lambda u: control.pause(u, "bears", "ann", world.now, "wait"))
    assert world.do(lambda u: tick(u, "bears", world.now, found)) is None
    assert world.rollout().stage is Stage.MANUAL_REVIEW
    world.do(lambda u: control.resume(u, "bears", "ann", world.now))
    world.do(lambda u: tick(u, "bears", world.now, seen(world)))
    assert world.rollout().stage is Stage.LIMITED_SCOPE


def test_a_watch_that_was_restarted_after_the_look_is_not_ended_by_it(world: World):
    world.do(lambda u: control.abort(u, "bears", "ann", world.now))
    world.start(PLAN.replace("version: 2", "version: 3") + "- stage: live\n  watch: 1d\n")
    world.do(lambda u: promote(u, "bears", "bob", world.now, None, "live", True, "x"))
    world.wait(days=2)
    with world.database.read() as connection:
        found, to_do = watch_finds(SqlUnitOfWork(connection), world.rollout(), world.now)
    assert to_do
    world.do(lambda u: control.abort(u, "bears", "ann", world.now))
    assert world.do(lambda u: watch(u, "bears", world.now, found)) is None
