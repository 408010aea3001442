"""Looking at a rollout again and again costs little, and nothing that matters is overlooked."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.decision import Hold, RollBack
from registry.domain.evidence import Verdict
from registry.domain.gates import Judged
from registry.services import control
from registry.services.judge import GateMemory, judge
from registry.services.promote import promote

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def said_of(world: World, memory: GateMemory | None = None) -> tuple[Judged, ...]:
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        return judge(unit, world.rollout(), world.now, memory).gates


def reads_of_rows(world: World, act: Callable[[], object]) -> int:
    """How often the answers themselves were read."""
    found: list[str] = []

    def listen(*event: object) -> None:
        found.append(str(event[2]))

    sa.event.listen(world.database.engine, "before_cursor_execute", listen)
    act()
    sa.event.remove(world.database.engine, "before_cursor_execute", listen)
    return sum("inclusion_probability" in statement for statement in found)


def test_a_second_look_reads_no_answers_until_there_is_something_new(world: World) -> None:
    memory = GateMemory()
    world.start()
    world.review(correct=12)
    assert reads_of_rows(world, lambda: said_of(world, memory)) == 1
    world.wait(seconds=1)
    assert reads_of_rows(world, lambda: said_of(world, memory)) == 0
    world.review(correct=1)
    assert reads_of_rows(world, lambda: said_of(world, memory)) == 1


def test_memory_never_says_anything_else_than_a_fresh_look(world: World) -> None:
    memory = GateMemory()
    world.start(PLAN.replace("sample: 1.0}", "sample: 1.0, due: 1h}"))
    world.do(
        lambda u: promote(
            u, "bears", "bob", world.now, to="limited-scope", override=True, reason="x"
        )
    )
    said = [said_of(world, memory)]

    def after(act: Callable[[], object]) -> None:
        act()
        said.append(said_of(world, memory))
        assert said[-1] == said_of(world)
        assert said[-1] != said[-2]

    after(lambda: world.review(correct=3))
    after(lambda: world.review(pending=2))
    after(lambda: world.do(lambda u: u.evidence.settle("p4", "grizzly", "rae", world.now)))
    after(lambda: world.wait(minutes=61))  # the other one is past due
    world.do(lambda u: u.evidence.settle("p5", "teddy", "rae", world.now))
    assert said_of(world, memory) == said_of(world) == said[-1]  # too late to change anything
    after(lambda: world.measure_drift(alarm=True))
    world.wait(seconds=1)
    after(lambda: world.measure_drift(alarm=False))


def test_memory_of_one_rollout_is_not_taken_for_the_next(world: World) -> None:
    memory = GateMemory()
    world.start()
    world.review(errors=20)
    with world.database.read() as connection:
        harmed = judge(SqlUnitOfWork(connection), world.rollout(), world.now, memory)
    assert isinstance(harmed.decision, RollBack)
    world.do(lambda u: control.abort(u, "bears", "bob", world.now))
    world.start()
    with world.database.read() as connection:
        again = judge(SqlUnitOfWork(connection), world.rollout(), world.now, memory)
    assert isinstance(again.decision, Hold)


def test_what_was_remembered_lapses_after_a_few_seconds(world: World) -> None:
    """A row that was numbered before another, and committed after it, shows in no mark."""
    memory = GateMemory()
    world.start()
    world.review(correct=12)
    said_of(world, memory)
    world.now += timedelta(seconds=5)
    assert reads_of_rows(world, lambda: said_of(world, memory)) == 1


# SQLite has one writer at a time, so that numbers are given in the order of commits.
@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_a_row_that_was_numbered_first_and_committed_last_is_counted_all_the_same(
    world: World,
) -> None:
    memory = GateMemory()
    world.start()
    world.review(correct=3)
    said_of(world, memory)
    world.wait(seconds=10)
    late = world._row(world.rollout(), Verdict.ERROR)
    with world.database.begin() as slow:
        SqlUnitOfWork(slow).evidence.add([late])
        world.review(correct=1)
        assert said_of(world, memory) == said_of(world)
    for seconds in (5, 20, 60):
        world.wait(seconds=seconds)
        assert said_of(world, memory) == said_of(world)
    (found,) = said_of(world, memory)
    assert (found.result.numbers["reviewed"], found.result.numbers["errors"]) == (5, 1)
