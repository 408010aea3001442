"""Rows whose transactions end in any order, however late: none is skipped, none counted twice."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from exposure_rows import an_exposure
from rollout_world import World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import EvidenceRow, Verdict
from registry.services.follow_evidence import Followed, follow
from registry.services.follow_traffic import TrafficMemory

pytestmark = pytest.mark.integration

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 50}]
  review: {sample: 1.0}
  gates: [{type: split}, {type: failures}, {type: error-rate, at_most: 0.05}]
"""


@pytest.fixture
def world(migrated_postgresql_url: str) -> Iterator[World]:
    database = Database(migrated_postgresql_url)
    world = World(database)
    world.start(PLAN)
    yield world
    database.close()


class Looker:
    """Somebody who goes on counting, and must at each look say what counting afresh says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._traffic = TrafficMemory()
        self._followed: Followed | None = None

    def look(self) -> tuple[int, int]:
        """How many answers and how many requests count."""
        world, rollout = self._world, self._world.rollout()
        with world.database.read() as connection:
            unit = SqlUnitOfWork(connection)
            self._followed = follow(unit, rollout, world.now, self._followed)
            afresh = follow(unit, rollout, world.now)
            answers = self._followed.running.answers(world.now)
            assert answers == afresh.running.answers(world.now)
            traffic = self._traffic.traffic(unit.exposures, rollout, world.now)
            counted = TrafficMemory().traffic(unit.exposures, rollout, world.now)
            assert (traffic.rows, traffic.whole.draws) == (counted.rows, counted.whole.draws)
        return answers.whole.answers, traffic.rows

    @property
    def kept(self) -> int:
        """How many answers may still change."""
        assert self._followed is not None
        return len(self._followed.running.tail)


def write(world: World, connection: sa.Connection, number: int) -> None:
    unit, rollout = SqlUnitOfWork(connection), world.rollout()
    unit.exposures.add(replace(an_exposure(number), rollout_id=rollout.id, created_at=world.now))
    row = EvidenceRow(
        rollout.id, rollout.stage, 0, f"p{number}", 2, "teddy", 1.0, True, world.now,
        due_at=world.now + timedelta(minutes=5), verdict=Verdict.CORRECT, reviewer="ann",
        decided_at=world.now, unit=number,
    )  # fmt: skip
    unit.evidence.add([row])


def test_a_transaction_that_ends_an_hour_after_later_ones_is_counted(world: World):
    looker = Looker(world)
    with ExitStack() as stack:
        slow = stack.enter_context(world.database.begin())
        write(world, slow, 1)
        for number in (2, 3, 4):
            with world.database.begin() as connection:
                write(world, connection, number)
            assert looker.look() == (number - 1, number - 1)
            world.wait(minutes=20)
        assert looker.look() == (3, 3)
    assert looker.look() == (4, 4)
    world.wait(minutes=20)
    looker.look()
    assert looker.kept == 0


def test_a_number_that_is_never_used_holds_nothing_up(world: World):
    looker = Looker(world)
    with world.database.begin() as connection:
        write(world, connection, 1)
        connection.rollback()
    with world.database.begin() as connection:
        write(world, connection, 2)
    looker.look()
    world.wait(minutes=20)
    assert looker.look() == (1, 1)
    assert looker.kept == 0


def test_a_verdict_whose_transaction_ends_long_after_the_due_time_counts(world: World):
    looker = Looker(world)
    row = EvidenceRow(
        world.rollout().id, world.rollout().stage, 0, "p1", 2, "teddy", 1.0, True, world.now,
        due_at=world.now + timedelta(minutes=5),
    )  # fmt: skip
    world.do(lambda unit: unit.evidence.add([row]))
    looker.look()
    with world.database.begin() as connection:
        SqlUnitOfWork(connection).evidence.settle("p1", "panda", "ann", world.now)
        for _ in range(4):
            world.wait(minutes=10)
            looker.look()
    looker.look()
    assert looker.kept == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_in_whatever_order_transactions_end_every_look_counts_what_there_is(
    world: World, seed: int
):
    choice, looker, open_, written = random.Random(seed), Looker(world), [], 0  # noqa: S311 - a test
    for _ in range(120):
        world.wait(seconds=choice.choice([1, 1, 400]))
        if len(open_) < 6 and choice.random() < 0.5:
            open_.append(world.database.engine.connect())
            open_[-1].begin()
        elif open_ and choice.random() < 0.6:
            written += 1
            write(world, choice.choice(open_), written)
        elif open_:
            ending = open_.pop(choice.randrange(len(open_)))
            choice.choice([ending.commit, ending.commit, ending.rollback])()
            ending.close()
        looker.look()
    for connection in open_:
        connection.commit()
        connection.close()
    looker.look()
