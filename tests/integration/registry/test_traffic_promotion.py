"""A promotion on traffic is judged on what is settled, and its certificate says so bit for bit."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from certificates import certified, checked, document_of, file_of, file_of_the_first_format, signed
from exposure_rows import an_exposure
from rollout_world import World

from registry.adapters.database import exposures
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.evidence_record import canonical, digest_of
from registry.documents.exposure_record import ExposureHash, exposures_of, exposures_record
from registry.documents.log_record import LogHash, pack
from registry.domain.decision import Promote
from registry.domain.errors import Conflict, GatesNotPassed
from registry.domain.evidence_log import Surroundings
from registry.domain.exposure import ExposureTable, joined
from registry.domain.retrace import Broken
from registry.domain.segments import Values
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


def test_a_certificate_of_many_portions_of_exposures_says_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.wait(minutes=2)
    promoted(world)
    at_once = certified(world.database)
    monkeypatch.setattr(exposures, "_AT_ONCE", 7)
    _ask(world, 480)
    world.wait(minutes=2)
    why = {"override": True, "reason": "the lot of this test is off"}
    world.do(lambda unit: promote(unit, "bears", "bob", world.now, **why))
    parts = certified(world.database)
    assert (at_once.count(b'{"exposures"'), parts.count(b'{"exposures"')) == (1, 138)
    first, second = checked(parts)[1]
    assert first == checked(at_once)[1][0]
    monkeypatch.undo()
    assert checked(certified(world.database))[1] == (first, second)


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
    log, _ = seen(world)
    with world.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        (table,) = unit.exposures.portions(world.rollout().id, Stage.GRADUAL, world.now)
    assert log.traffic is not None
    assert log.traffic.rows == log.traffic.counts.rows == 0
    record = exposures_record(table)
    assert exposures_record(exposures_of(record)) == record


def seen(world: World) -> tuple[Surroundings, ExposureTable]:
    """What is seen besides answers, and the exposures of it."""
    tables: list[ExposureTable] = []
    with world.database.read() as connection:
        around = surroundings(SqlUnitOfWork(connection), world.rollout(), world.now, tables.append)
    return around, joined(tables)


@pytest.mark.parametrize("form", [1, 2])
def test_a_promotion_that_was_hashed_as_a_whole_is_judged_again_today(world: World, form: int):
    """As an earlier version wrote it: the columns of all exposures are in the digest of the log."""
    world.wait(minutes=2)
    around, table = seen(world)
    assert around.traffic is not None
    old = replace(around, traffic=replace(around.traffic, form=form))
    hashed = LogHash()
    snapshot = hashed.snapshot(old)
    assert snapshot["traffic"].get("form", 1) == form
    whole = [[], snapshot, exposures_record(table, form)]
    digest = digest_of(canonical(whole))

    def promote_as_then(unit: SqlUnitOfWork) -> None:
        prepared = prepare(unit, world.rollout(), world.now)
        told = {**prepared.seen, "digest": digest}
        then = replace(prepared, seen=told, content=pack(snapshot))
        promote(unit, "bears", "bob", world.now, seen=then)

    world.do(promote_as_then)
    document = document_of(certified(world.database))
    assert document["promotions"][0]["traffic"] == snapshot["traffic"]
    (rows,) = document["exposures"]["gradual"]
    whole = exposures_of(rows)
    cut = [exposures_record(part) for part in (whole.part(0, 7), whole.part(7, 480))]
    document["exposures"]["gradual"] = cut
    assert checked(file_of(signed(document)))[1]
    edited = [exposures_record(replace(whole, answer_ms=whole.answer_ms + 0.5))]
    document["exposures"]["gradual"] = edited
    with pytest.raises(Broken):
        checked(file_of(signed(document)))
    assert "epochs" not in exposures_record(table, form=1)
    assert exposures_of(exposures_record(table, form=1)).epochs.tolist() == [0] * 480


def test_exposures_are_hashed_alike_however_they_are_cut_and_every_value_counts(world: World):
    world.wait(minutes=2)
    table = replace(seen(world)[1], segments={"site": Values.of(["b", "a", None, "a"] * 120)})

    def hashed(*tables: ExposureTable) -> dict[str, object]:
        found = ExposureHash(3)
        for one in tables:
            found.add(one)
        return found.record()

    once = hashed(table)
    assert hashed(*(table.part(at, at + 1) for at in range(480))) == once
    assert hashed(table.part(0, 0), table.part(0, 7), table.part(7, 480)) == once
    others = [
        replace(table, **{name: getattr(table, name) + 1})
        for name in ("numbers", "units", "shares", "steps", "answer_ms", "created", "epochs")
    ]
    others += [replace(table, **{name: ~getattr(table, name)}) for name in ("candidate", "failed")]
    others.append(replace(table, actions=["fox", *table.actions[1:]]))
    others.append(replace(table, segments={"site": Values.of(["a", "b", None, "a"] * 120)}))
    others.append(replace(table, segments={}))
    assert all(hashed(other) != once for other in others)
    swapped = replace(table, actions=[f"{action}!" for action in table.actions])
    assert hashed(swapped) != once


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
