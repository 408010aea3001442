"""What was judged without keeping anybody from writing is acted on only if it still holds."""

from datetime import datetime, timedelta

import pytest
from certificates import certified, checked
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rollout_world import PLAN, World

from console import problems
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.api.rollouts import router
from registry.domain.errors import GatesNotPassed, StageConflict
from registry.domain.stages import Stage
from registry.services import control
from registry.services.judge import GateMemory
from registry.services.promote import Prepared, prepare, prepare_if_ready, promote
from registry.services.tick import Intent, intent, tick
from registry.services.watch import watch, watch_finds
from serving.adapters.traffic import SqlTraffic

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


def test_whoever_is_overtaken_looks_again_before_anybody_is_kept_from_writing(world: World):
    """Judging a million answers takes minutes: nobody may wait to write for as long."""
    looks: list[datetime] = []
    overtaken = 2

    def clock() -> datetime:
        """Asked before each look and before each change; others are quick in between."""
        world.wait(seconds=1)
        looks.append(world.now)
        if len(looks) in range(1, 2 * overtaken, 2):
            world.do(lambda u: control.pause(u, "bears", "ann", world.now, "wait"))
            world.do(lambda u: control.resume(u, "bears", "ann", world.now))
        return world.now

    app = FastAPI()
    app.include_router(router(world.database, clock, world.require_level, SqlTraffic))
    problems.install(app)
    with TestClient(app, headers={"X-Stagegate-Actor": "bob"}) as client:
        answer = client.post("/v1/rollouts/bears:promote")
        assert answer.status_code == 200, answer.text
        with world.database.read() as connection:
            last = SqlUnitOfWork(connection).audit.read()[-1]
        assert (last.action, last.at) == ("promoted", looks[2 * overtaken]), "by the third look"

        looks.clear()
        overtaken = 99
        refused = client.post("/v1/rollouts/bears:promote")
        assert refused.status_code == 409
        assert "is being changed all the time" in refused.json()["detail"]
