"""Deleting versions: what nothing needs goes, what something needs stays, on each database."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from rollout_world import PLAN, World, a_version

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Conflict, NotFound, StageConflict, StagegateError
from registry.services import control
from registry.services.delete_version import delete_version

pytestmark = pytest.mark.integration
PATIENCE = 60.0


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def delete(world: World, number: int) -> object:
    return world.do(lambda unit: delete_version(unit, "bears", number, "ada", "old", world.now))


def listed(world: World) -> list[int]:
    with world.database.read() as connection:
        return [v.version for v in SqlUnitOfWork(connection).versions.list("bears")]


def test_a_deleted_version_is_in_no_list_and_its_number_stays_taken(world: World) -> None:
    delete(world, 3)
    assert listed(world) == [1, 2]
    with world.database.read() as connection, pytest.raises(NotFound, match="@3 was deleted on 20"):
        SqlUnitOfWork(connection).versions.get("bears", 3)
    with pytest.raises(NotFound, match="was deleted on"):
        delete(world, 3)
    with world.database.read() as connection:
        known = SqlUnitOfWork(connection).versions.numbers("bears")
    assert known == {("bears", 1), ("bears", 2), ("bears", 3)}, "it is no stray of MLflow's"
    assert world.actions() == [("ada", "deleted")]
    assert world.effects() == [("stage", 3, None)]
    with pytest.raises(Conflict):
        world.do(lambda unit: unit.versions.add(a_version(3)))


def test_a_version_is_kept_for_as_long_as_something_needs_it(world: World) -> None:
    world.do(lambda unit: unit.live.put("bears", 1, 2, world.now))
    with pytest.raises(StageConflict, match="bears@1 is live; take another version live first"):
        delete(world, 1)
    with pytest.raises(StageConflict, match="`rollout undo` returns to it"):
        delete(world, 2)
    world.do(lambda unit: unit.live.put("bears", None, None, world.now))
    rollout = world.start(PLAN)
    with pytest.raises(StageConflict, match=r"is a candidate, in .*; abort its rollout first"):
        delete(world, rollout.version)
    world.do(lambda unit: control.abort(unit, "bears", "ada", world.now))
    delete(world, rollout.version)
    assert ("ada", "aborted") in world.actions(), "what was decided with it stays on record"


def test_what_a_candidate_is_compared_with_is_kept(world: World) -> None:
    rollout = world.start(PLAN.replace("baseline: none", "baseline: 1"))
    assert rollout.baseline == 1
    with pytest.raises(StageConflict, match=f"is what bears@{rollout.version} is compared with"):
        delete(world, 1)


def test_of_a_start_and_a_deletion_at_once_exactly_one_happens(world: World) -> None:
    ready = threading.Barrier(2)

    def attempt(work: Callable[[], object]) -> StagegateError | None:
        ready.wait(PATIENCE)
        try:
            work()
        except StagegateError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as pool:
        works: tuple[Callable[[], object], ...] = (
            lambda: world.start(PLAN),
            lambda: delete(world, 2),
        )
        started, deleted = pool.map(attempt, works)
    assert (started is None) != (deleted is None)
    assert (2 in listed(world)) == (started is None)
