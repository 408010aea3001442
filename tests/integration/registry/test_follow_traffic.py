"""Counting what has come in: nothing twice, nothing lost, whoever else is writing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from exposure_rows import an_exposure
from rollout_world import World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.exposure import Exposure, ExposureTable
from registry.domain.gates import Failed
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.traffic import Traffic
from registry.ports import Exposures
from registry.services import control
from registry.services.follow_traffic import TrafficMemory
from registry.services.judge import GateMemory, judge
from registry.services.promote import prepare

pytestmark = pytest.mark.integration

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  gates: [{type: split}, {type: failures}, {type: latency, quantile: 0.9, ratio_at_most: 1.5}]
"""


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.start(PLAN)
    return world


def write(world: World, *rows: Exposure) -> None:
    def add(unit: SqlUnitOfWork) -> None:
        for row in rows:
            unit.exposures.add(replace(row, rollout_id=world.rollout().id, created_at=world.now))

    world.do(add)


def look(world: World, memory: TrafficMemory) -> Traffic:
    with world.database.read() as connection:
        exposures = SqlUnitOfWork(connection).exposures
        return memory.traffic(exposures, world.rollout(), world.now).whole


def test_a_row_comes_back_as_it_was_written(world: World):
    row = an_exposure(-(2**63), candidate=False, action=None, answer_ms=None, failed=True)
    write(world, row)
    with world.database.read() as connection:
        found = SqlUnitOfWork(connection).exposures.read("rollout-1", Stage.GRADUAL)
    assert found == (replace(row, rollout_id="rollout-1", created_at=world.now),)


def test_looks_add_up_and_a_look_reads_only_what_is_new(world: World):
    memory = TrafficMemory()
    for n in range(5):
        write(world, an_exposure(n), an_exposure(n + 100, candidate=False))
        assert look(world, memory).rows == 2 * n + 2
    assert reads(world, memory) == 0
    fresh, kept = look(world, TrafficMemory()), look(world, memory)
    assert (fresh.draws, fresh.joined, fresh.rows) == (kept.draws, kept.joined, kept.rows)


def test_rows_of_others_do_not_count(world: World):
    world.do(lambda unit: unit.exposures.add(an_exposure(1, rollout_id="another")))
    write(world, an_exposure(2), an_exposure(3, stage=Stage.LIMITED_SCOPE))
    assert look(world, TrafficMemory()).rows == 1


class Noting:
    """Exposures of the database, and how many rows were read of them."""

    def __init__(self, exposures: Exposures) -> None:
        self._exposures = exposures
        self.add, self.read, self.horizon = exposures.add, exposures.read, exposures.horizon
        self.rows = 0

    def after(
        self,
        rollout_id: str,
        stage: Stage,
        cursor: int,
        recent: datetime,
        most: int,
        segments: Sequence[str] = (),
    ) -> ExposureTable:
        table = self._exposures.after(rollout_id, stage, cursor, recent, most, segments)
        self.rows += len(table)
        return table


def reads(world: World, memory: TrafficMemory) -> int:
    """How many rows a look reads."""
    with world.database.read() as connection:
        noting = Noting(SqlUnitOfWork(connection).exposures)
        memory.traffic(noting, world.rollout(), world.now)
    return noting.rows


def test_another_stage_or_rollout_begins_anew(world: World):
    memory = TrafficMemory()
    write(world, an_exposure(1))
    assert look(world, memory).rows == 1
    world.do(lambda unit: control.abort(unit, "bears", "ann", world.now))
    world.start(PLAN.replace("version: 2", "version: 3"))
    assert look(world, memory).rows == 0


def test_harm_in_the_traffic_shows_at_the_next_look(world: World):
    memory, rollout = GateMemory(), world.rollout()
    write(world, *(an_exposure(n + 100, candidate=False) for n in range(60)))
    assert not _harm(world, rollout, memory)
    write(world, *(an_exposure(n, failed=True) for n in range(12)))
    assert _harm(world, rollout, memory)


def _harm(world: World, rollout: Rollout, memory: GateMemory) -> bool:
    world.wait(seconds=1)
    with world.database.read() as connection:
        gates = judge(SqlUnitOfWork(connection), rollout, world.now, memory).gates
    return any(isinstance(gate.result, Failed) for gate in gates)


def test_the_look_of_a_while_later_counts_the_same_rows(world: World):
    memory = TrafficMemory()
    write(world, *(an_exposure(n) for n in range(5)))
    before = look(world, memory)
    world.now += timedelta(hours=3)
    assert look(world, memory) is before


def test_segments_are_counted_one_by_one_where_a_gate_asks(world: World):
    world.do(lambda unit: control.abort(unit, "bears", "ann", world.now))
    plan = PLAN.replace("{type: failures}", "{type: failures, per_segment: true}")
    world.start(plan.replace("stages:", "segments: [site]\nstages:", 1))
    memory, rollout = GateMemory(), world.rollout()
    for site, failed in (("north", False), ("south", True)):
        write(
            world,
            *(
                an_exposure(n, failed=failed and n < 130, segments={"site": site})
                for n in range(100, 160)
            ),
            *(
                an_exposure(n, candidate=False, segments={"site": site, "other": "x"})
                for n in range(200, 400)
            ),
        )
    world.wait(minutes=2)
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        running = judge(unit, rollout, world.now, memory).gates
        logged = prepare(unit, rollout, world.now).judgement
    found = {str(g.segment): g.result for g in running if g.type == "failures"}
    assert list(found) == ["None", "site=north", "site=south"]
    assert isinstance(found["site=south"], Failed)
    assert not isinstance(found["site=north"], Failed)
    assert logged.gates == running
