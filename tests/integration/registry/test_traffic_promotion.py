"""A promotion on traffic is judged on what is settled, and its certificate says so bit for bit."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from certificates import certified, checked, document_of, file_of, file_of_the_first_format, signed
from exposure_rows import an_exposure
from rollout_world import World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.exposure_record import exposures_of, exposures_record
from registry.documents.log_record import LogHash, surroundings_of
from registry.domain.decision import Promote
from registry.domain.errors import Conflict, GatesNotPassed
from registry.domain.evidence_log import Surroundings
from registry.domain.retrace import Broken
from registry.domain.stages import Stage
from registry.services.judge import GateMemory, judge, surroundings
from registry.services.promote import prepare, promote
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
        logged = prepare(unit, world.rollout(), world.now).judgement
        assert logged.gates == judge(unit, world.rollout(), world.now, GateMemory()).gates


def test_a_certificate_holds_the_exposures_and_any_edit_breaks_it(world: World):
    world.wait(minutes=2)
    promoted(world)
    document = document_of(certified(world.database))
    assert checked(file_of(document))
    assert checked(file_of_the_first_format(document))
    (rows,) = document["exposures"]["gradual"]
    table = exposures_of(rows)
    assert len(table) == 480
    edited = copy.deepcopy(document)
    for other in (replace(table, candidate=~table.candidate), table.part(0, 479)):
        edited["exposures"]["gradual"] = [exposures_record(other)]
        with pytest.raises(Broken):
            checked(file_of(signed(edited)))


def test_exposures_beyond_what_was_judged_do_not_go_unread(world: World):
    world.wait(minutes=2)
    promoted(world)
    document = document_of(certified(world.database))
    (rows,) = document["exposures"]["gradual"]
    later = replace(exposures_of(rows), created=np.full(480, world.now.timestamp() + 1))
    document["exposures"]["gradual"].append(exposures_record(later))
    with pytest.raises(Broken, match="exposures of gradual that nothing was judged on"):
        checked(file_of(signed(document)))


def test_exposures_that_were_edited_in_the_database_are_found_out(world: World):
    world.wait(minutes=2)
    promoted(world)
    with world.database.begin() as connection:
        connection.execute(sa.text("UPDATE exposure SET failed = true WHERE unit = 4"))
    with pytest.raises(Conflict, match="no longer what was judged"):
        certified(world.database)


def test_the_columns_of_a_table_come_back_exactly(world: World):
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        log = surroundings(unit, world.rollout(), world.now)
        table = unit.exposures.until(world.rollout().id, Stage.GRADUAL, world.now)
    assert log.traffic is not None
    assert len(log.traffic.exposures) == 0
    record = exposures_record(table)
    assert exposures_record(exposures_of(record)) == record


def digest(around: Surroundings) -> str:
    hashed = LogHash()
    return hashed.digest(around, hashed.snapshot(around))


def test_a_promotion_that_was_hashed_without_epochs_has_the_same_digest_today(world: World):
    world.wait(minutes=2)
    with world.database.read() as connection:
        log = surroundings(SqlUnitOfWork(connection), world.rollout(), world.now)
    assert log.traffic is not None
    old = replace(log, traffic=replace(log.traffic, form=1))
    snapshot = LogHash().snapshot(old)
    assert "form" not in snapshot["traffic"]
    again = surroundings_of(snapshot, log.traffic.exposures)
    assert digest(again) == digest(old) != digest(log)
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
