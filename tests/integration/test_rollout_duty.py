"""What the controller does with rollouts in a turn, and what it shows of their gates."""

from dataclasses import dataclass, field
from typing import cast

import pytest
from rollout_world import World

from console.duties import judgements
from console.wiring import Wiring
from monitoring.adapters.metrics import Metrics
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.stages import Stage
from registry.services.judge import GateMemory
from registry.services.keep_readings import ReadingMemory

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class SomeWiring:
    """As much of the wiring as the duty needs."""

    database: Database
    metrics: Metrics = field(default_factory=Metrics)
    gate_memory: GateMemory = field(default_factory=GateMemory)
    watch_memory: GateMemory = field(default_factory=GateMemory)
    readings: ReadingMemory = field(default_factory=ReadingMemory)


def turn(world: World, wiring: SomeWiring) -> None:
    (rollouts,) = judgements(cast(Wiring, wiring))
    rollouts.run(world.now)


def shown(wiring: SomeWiring) -> float | None:
    labels = {"gate": "error-rate", "model": "bears"}
    return wiring.metrics.registry.get_sample_value("stagegate_gate_evidence", labels)


def test_the_evidence_of_a_gate_is_shown_while_there_is_a_candidate(database: Database) -> None:
    world, wiring = World(database), SomeWiring(database)
    world.start()
    turn(world, wiring)
    assert shown(wiring) == pytest.approx(1.0)
    world.review(correct=74)
    turn(world, wiring)
    grown = shown(wiring)
    assert grown is not None
    assert grown >= 20
    world.review(errors=60)
    turn(world, wiring)
    assert world.rollout().stage is Stage.ROLLED_BACK
    turn(world, wiring)
    assert shown(wiring) is None


def points(world: World) -> list[tuple[str, float | None]]:
    with world.database.read() as connection:
        kept = SqlUnitOfWork(connection).readings.of(world.rollout().id, Stage.MANUAL_REVIEW)
    return [(one.verdict, one.for_pass) for series in kept for one in series.readings]


def test_a_point_is_kept_when_a_gate_moves_and_by_one_process_only(database: Database) -> None:
    world, wiring = World(database), SomeWiring(database)
    world.start()
    turn(world, wiring)
    turn(world, wiring)
    assert points(world) == [("inconclusive", 0.0)]
    world.review(correct=40)
    turn(world, wiring)
    turn(world, SomeWiring(database))  # another process took over
    assert [verdict for verdict, _ in points(world)] == ["inconclusive"] * 2
    world.review(correct=40)
    turn(world, wiring)
    verdict, share = points(world)[-1]
    assert verdict == "passed"
    assert share is not None
    assert share >= 1
