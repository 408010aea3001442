"""After live: harm takes a version back for as long as the plan says; then the watch is over."""

from datetime import timedelta

import pytest
from exposure_rows import an_exposure
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.services import control
from registry.services.judge import GateMemory, judge
from registry.services.promote import promote
from registry.services.watch import watch, watch_finds

pytestmark = pytest.mark.integration
WATCHED = PLAN + "- {stage: live, watch: 30d, review: {sample: 1.0}}\n"


@pytest.fixture
def world(migrated_sqlite_url: str) -> World:
    return World(Database(migrated_sqlite_url))


def to_live(world: World, version: int, baseline: str = "none", text: str = WATCHED) -> None:
    plan = text.replace("version: 2", f"version: {version}").replace("none", baseline, 1)
    world.start(plan)
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))


def watched(world: World) -> Rollout | None:
    with world.database.begin() as connection:
        return watch(SqlUnitOfWork(connection), "bears", world.now)


def finds(world: World) -> bool:
    with world.database.read() as connection:
        return watch_finds(SqlUnitOfWork(connection), world.rollout(), world.now)[1]


def test_harm_after_live_brings_back_the_version_before(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    assert world.rollout().watched_until == world.now + timedelta(days=30)
    world.review(correct=20)
    assert not finds(world)
    assert watched(world) is None
    world.review(errors=12)
    assert finds(world)
    back = watched(world)
    assert back is not None
    assert back.stage is Stage.ROLLED_BACK
    assert world.live() == (1, None)
    assert world.actions()[-2:] == [("controller", "aborted"), ("controller", "restored")]
    event, sentence = world.told()[-1]
    assert event == "rolled-back"
    assert "bears@2 was rolled back from live: error rate: 32 reviewed, 12 errors" in sentence
    assert "above 0.05" in sentence


def test_harm_of_a_first_version_leaves_nothing_live(world: World) -> None:
    to_live(world, 1)
    world.review(errors=12)
    assert watched(world) is not None
    assert world.live() == (None, None)


def test_a_new_candidate_does_not_end_the_watch_and_stays_when_harm_is_found(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.review(errors=12)
    world.start(PLAN.replace("version: 2", "version: 3").replace("none", "live", 1))
    assert watched(world) is not None
    assert world.live() == (1, None)
    assert (world.rollout().version, world.rollout().baseline) == (3, 1)


def test_when_the_watch_ends_the_rollout_is_complete_and_says_so_once(world: World) -> None:
    to_live(world, 1)
    world.wait(days=29)
    assert watched(world) is None
    world.wait(days=1)
    done = watched(world)
    assert done is not None
    assert (done.stage, done.watched) == (Stage.LIVE, False)
    assert world.actions()[-1] == ("controller", "completed")
    assert watched(world) is None
    world.review(errors=50)
    assert watched(world) is None


def test_a_version_without_a_watch_is_not_judged_after_live(world: World) -> None:
    to_live(world, 1, text=PLAN)
    world.review(errors=50)
    assert watched(world) is None
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        assert unit.rollouts.all_watched() == ()
        assert (
            "it is under no watch, so that only a person takes it back"
            in judge(unit, world.rollout(), world.now).decision.reasons[0]
        )


def test_a_version_that_comes_back_goes_on_with_its_own_watch(world: World) -> None:
    to_live(world, 1)
    until = world.rollout().watched_until
    world.wait(days=3)
    to_live(world, 2, "live")
    world.do(lambda u: control.undo(u, "bears", "bob", world.now))
    with world.database.read() as connection:
        (back,) = SqlUnitOfWork(connection).rollouts.all_watched()
    assert (back.version, back.watched_until) == (1, until)


def test_a_shift_after_live_is_told_once_and_takes_nothing_back(world: World) -> None:
    to_live(world, 1)
    world.wait(hours=2)
    world.measure_drift(alarm=True)
    assert finds(world)
    assert watched(world) is None
    assert not finds(world)
    assert watched(world) is None
    held = [sentence for event, sentence in world.told() if event == "held"]
    assert len(held) == 1
    assert held[0].startswith("bears@1 stays live and needs a look: drift: evidence gathered")
    assert world.live() == (1, None)


FAILING = WATCHED.replace(
    "  review: {sample: 0.5}\n  gates: [{type: error-rate, at_most: 0.05}]",
    "  review: {sample: 0.5}\n  gates: [{type: error-rate, at_most: 0.05}, {type: failures}]",
)


def test_failures_after_live_bring_back_the_version_before_though_nobody_reviews(
    world: World,
) -> None:
    to_live(world, 1)
    to_live(world, 2, "live", FAILING)
    rollout = world.rollout()

    def asked(first: int, *, failed: bool) -> None:
        rows = [
            an_exposure(
                unit, share=1.0, stage=Stage.LIVE, failed=failed, rollout_id=rollout.id,
                created_at=world.now,
            )
            for unit in range(first, first + 60)
        ]  # fmt: skip
        world.do(lambda u: [u.exposures.add(row) for row in rows])

    asked(0, failed=False)
    assert watched(world) is None
    world.wait(hours=3)  # counted by running counts, whatever the age of the rows
    memory = GateMemory()
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        seen = judge(unit, world.rollout(), world.now, memory)
    assert "failures: 0 of 60 visits began with one" in seen.gates[1].result.sentence
    asked(60, failed=True)
    back = watched(world)
    assert back is not None
    assert back.stage is Stage.ROLLED_BACK
    assert "failures: 60 of 120 visits began with one: above 0.01" in world.told()[-1][1]
    assert world.live() == (1, None)
