"""A promotion on traffic is judged on what is settled, and its certificate says so bit for bit."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from exposure_rows import an_exposure
from rollout_world import World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.certificate import certificate_of
from registry.documents.evidence_record import (
    canonical,
    digest_of,
    log_digest,
    log_of,
    snapshot_record,
)
from registry.documents.exposure_record import exposures_of, exposures_record
from registry.domain.decision import Promote
from registry.domain.errors import Conflict, GatesNotPassed
from registry.domain.retrace import Broken
from registry.domain.stages import Stage
from registry.services.certify import certify
from registry.services.judge import GateMemory, judge, read_log
from registry.services.promote import judge_log_of, promote
from registry.services.tick import Act, intent

pytestmark = pytest.mark.integration

PLAN = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}, {weight: 100}]
  gates:
  - {type: split}
  - {type: failures, at_most: 0.05}
  - {type: action-rate, ratio: [0.2, 5]}
  - {type: latency, quantile: 0.9, ratio_at_most: 4, dry_run: true}
"""


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.start(PLAN)
    world.wait(minutes=1)
    _ask(world, 0)
    return world


def _ask(world: World, first: int) -> None:
    """480 units, a quarter of them the candidate's, give 20 or 21 ms."""
    rollout = world.rollout()

    def add(unit: SqlUnitOfWork) -> None:
        for number in range(first, first + 480):
            row = an_exposure(
                number,
                candidate=number % 4 == 0,
                share=rollout.weight / 100,
                step=rollout.step,
                answer_ms=20.0 + number % 2,
                rollout_id=rollout.id,
                created_at=world.now,
            )
            unit.exposures.add(row)

    world.do(add)


def promoted(world: World) -> None:
    world.do(lambda unit: promote(unit, "bears", "bob", world.now))


def certified(world: World) -> dict[str, Any]:
    with world.database.read() as connection:
        return certify(SqlUnitOfWork(connection), "bears")


def test_what_may_still_be_added_to_does_not_promote(world: World):
    with pytest.raises(GatesNotPassed):
        promoted(world)
    world.wait(seconds=61)
    promoted(world)
    assert world.rollout().step == 1


def test_the_log_says_what_the_running_counts_say(world: World):
    world.wait(minutes=2)
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        logged, _ = judge_log_of(unit, world.rollout(), world.now)
        assert logged.gates == judge(unit, world.rollout(), world.now, GateMemory()).gates


def test_a_certificate_holds_the_exposures_and_any_edit_breaks_it(world: World):
    world.wait(minutes=2)
    promoted(world)
    document = certified(world)
    certificate_of(document)
    table = exposures_of(document["exposures"]["gradual"])
    assert len(table) == 480
    edited = copy.deepcopy(document)
    moved = replace(table, candidate=~table.candidate)
    edited["exposures"]["gradual"] = exposures_record(moved)
    body = {name: part for name, part in edited.items() if name != "digest"}
    edited["digest"] = digest_of(canonical(body))
    with pytest.raises(Broken):
        certificate_of(edited)


def test_exposures_that_were_edited_in_the_database_are_found_out(world: World):
    world.wait(minutes=2)
    promoted(world)
    with world.database.begin() as connection:
        connection.execute(sa.text("UPDATE exposure SET failed = true WHERE unit = 4"))
    with pytest.raises(Conflict, match="no longer what was judged"):
        certified(world)


def test_the_columns_of_a_table_come_back_exactly(world: World):
    with world.database.read() as connection:
        log = read_log(SqlUnitOfWork(connection), world.rollout(), world.now)
        unit = SqlUnitOfWork(connection)
        table = unit.exposures.until(world.rollout().id, Stage.GRADUAL, world.now)
    assert log.traffic is not None
    assert len(log.traffic.exposures) == 0
    record = exposures_record(table)
    assert exposures_record(exposures_of(record)) == record


def test_a_promotion_that_was_hashed_without_epochs_has_the_same_digest_today(world: World):
    world.wait(minutes=2)
    with world.database.read() as connection:
        log = read_log(SqlUnitOfWork(connection), world.rollout(), world.now)
    assert log.traffic is not None
    old = replace(log, traffic=replace(log.traffic, form=1))
    snapshot = snapshot_record(old)
    assert "form" not in snapshot["traffic"]
    again = log_of({}, snapshot, log.traffic.exposures)
    assert log_digest(again) == log_digest(old) != log_digest(log)
    assert "epochs" not in exposures_record(log.traffic.exposures, form=1)
    assert (
        exposures_of(exposures_record(log.traffic.exposures, form=1)).epochs.tolist() == [0] * 480
    )


AUTOMATIC = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
stages:
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  gates: [{type: split}]
  advance: {automatic: true}
"""


def test_the_controller_waits_where_counts_pass_and_the_log_of_a_promotion_does_not_yet(
    database: Database,
):
    world = World(database)
    world.start(AUTOMATIC)
    world.wait(minutes=1)
    _ask(world, 0)
    found = []
    for _ in range(2):
        with world.database.read() as connection:
            found.append(intent(SqlUnitOfWork(connection), world.rollout(), world.now))
        world.wait(seconds=61)
    early, late = found
    assert isinstance(early.judgement.decision, Promote)
    assert early.wish is None
    assert late.wish is not None
    assert late.wish.act is Act.PROMOTE
