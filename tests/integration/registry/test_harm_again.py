"""What took a version back is judged again from its certificate, number by number."""

import copy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from certificates import certified, checked, document_of, file_of, signed
from exposure_rows import an_exposure
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import evidence
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.exposure_record import exposures_of
from registry.documents.sight_record import sight_of, sight_record
from registry.domain.assurance import statements
from registry.domain.errors import Conflict
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.evidence_table import Standing
from registry.domain.retrace import Broken
from registry.domain.stages import Stage
from registry.services.judge import GateMemory
from registry.services.promote import promote
from registry.services.tick import Intent, intent, tick
from registry.services.watch import watch, watch_finds

pytestmark = pytest.mark.integration

GRADUAL = """\
apiVersion: stagegate/v1
model: {name: bears, version: 2, baseline: 1}
unit: user_id
visit: 0s
segments: [site]
stages:
- stage: manual-review
  gates: [{type: error-rate, at_most: 0.05}]
  deadline: {after: 30d, then: roll-back}
- stage: gradual
  steps: [{weight: 25}, {weight: 50}]
  review: {sample: 1.0, due: 24h}
  gates:
  - {type: split}
  - {type: failures, at_most: 0.05, per_segment: true}
  - {type: error-rate, at_most: 0.05, per_segment: true}
"""


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def small_world(migrated_sqlite_url: str) -> World:
    return World(Database(migrated_sqlite_url))


def promoted(world: World) -> None:
    world.do(lambda u: promote(u, "bears", "bob", world.now, override=True, reason="x"))


def looked(world: World, memory: GateMemory | None = None) -> Intent:
    with world.database.read() as connection:
        return intent(SqlUnitOfWork(connection), world.rollout(), world.now, memory)


def acted(world: World, found: Intent) -> None:
    world.do(lambda unit: tick(unit, "bears", world.now, found))
    assert world.rollout().stage is Stage.ROLLED_BACK


def said(world: World) -> str:
    return "\n".join(statements(*checked(certified(world.database))))


def answer(world: World, number: int, verdict: Verdict | None, site: str = "north") -> EvidenceRow:
    rollout = world.rollout()
    return EvidenceRow(
        rollout.id, rollout.stage, rollout.step, f"a{number}", 2, "teddy", 1.0, True, world.now,
        due_at=world.now + timedelta(hours=1), verdict=verdict, segments={"site": site},
        decided_at=world.now if verdict else None,
    )  # fmt: skip


def request(world: World, number: int, failed: bool = False, site: str = "north") -> Any:
    rollout = world.rollout()
    return an_exposure(
        number, candidate=number % 4 == 0, failed=failed, segments={"site": site},
        rollout_id=rollout.id, epoch=rollout.generation, share=rollout.weight / 100,
        created_at=world.now,
    )  # fmt: skip


def test_harm_is_judged_again_on_what_the_look_saw_and_not_on_what_came_later(
    world: World,
) -> None:
    world.start(PLAN)
    world.review(correct=80)
    promoted(world)
    memory = GateMemory()
    acts: list[Callable[[], object]] = [
        lambda: world.review(correct=5, errors=1, pending=2),
        lambda: world.wait(minutes=40),
        lambda: world.review(correct=4),
        lambda: world.wait(minutes=40),  # the pending ones are past due
        lambda: world.review(errors=3, pending=1),
        lambda: world.wait(minutes=70),
        lambda: world.review(errors=8, pending=1, correct=2),
    ]
    for act in acts:
        act()
        assert looked(world, memory).wish is None or act is acts[-1]
    found = looked(world, memory)
    world.do(lambda u: u.evidence.settle("p107", "teddy", "rae", world.now))
    world.review(errors=50)
    world.wait(seconds=1)
    acted(world, found)
    assert "on 27 answers: error rate:" in said(world)
    assert "Every gate was recomputed from them and says what was recorded" in said(world)
    with world.database.read() as connection:
        event = SqlUnitOfWork(connection).audit.read()[-1]
    assert event.detail["log"]["last"] == 107
    assert event.detail["log"]["frontier"] == 107


def test_harm_by_traffic_is_judged_again_in_each_segment(world: World) -> None:
    world.start(GRADUAL)
    world.review(correct=80)
    promoted(world)
    memory = GateMemory()

    def ask(first: int, failed: bool) -> None:
        sites = ("north", "south")
        rows = [
            request(world, n, failed and n % 4 == 0, sites[n // 4 % 2])
            for n in range(first, first + 240)
        ]
        world.do(lambda u: u.exposures.add(*rows))
        checked_ones = [answer(world, n, Verdict.CORRECT) for n in range(first, first + 3)]
        world.do(lambda u: u.evidence.add(checked_ones))

    for first, failed in ((0, False), (240, False), (480, True)):
        ask(first, failed)
        world.wait(seconds=20)
        found = looked(world, memory)
        assert (found.wish is not None) == failed
    ask(720, failed=True)
    acted(world, found)
    assert "failures" in said(world)
    document = document_of(certified(world.database))
    (rows,) = document["exposures"]["gradual"]
    assert len(exposures_of(rows)) == 720
    assert len(document["answers"]["gradual"]) == 9


def test_harm_after_live_is_judged_again(world: World) -> None:
    world.start(PLAN + "- {stage: live, watch: 30d, review: {sample: 1.0}}\n")
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))
    world.review(correct=20, errors=12)
    with world.database.read() as connection:
        found, to_do = watch_finds(SqlUnitOfWork(connection), world.rollout(), world.now)
    assert to_do
    world.review(errors=9)
    world.do(lambda u: watch(u, "bears", world.now, found))
    assert "TAKEN BACK from live by controller on 32 answers: error rate:" in said(world)


def test_rows_that_were_not_to_be_seen_yet_are_no_part_of_the_evidence_of_harm(
    migrated_postgresql_url: str,
) -> None:
    world = World(Database(migrated_postgresql_url))
    world.start(GRADUAL)
    world.review(correct=80)
    promoted(world)
    memory = GateMemory()
    looked(world, memory)
    with ExitStack() as late:
        connection = late.enter_context(world.database.begin())
        unit = SqlUnitOfWork(connection)  # numbered before the others, and committed after them
        unit.evidence.add([answer(world, 1, Verdict.CORRECT)])
        unit.exposures.add(request(world, 4))
        others = [answer(world, 10 + n, Verdict.ERROR) for n in range(40)]
        world.do(lambda u: u.evidence.add(others))
        world.do(lambda u: u.exposures.add(request(world, 8)))
        found = looked(world, memory)
    assert found.wish is not None
    acted(world, found)
    assert "on 40 answers" in said(world)
    document = document_of(certified(world.database))
    assert {row[1] for row in document["answers"]["gradual"]} == {f"a{10 + n}" for n in range(40)}
    world.database.close()


@pytest.fixture
def document(small_world: World) -> dict[str, Any]:
    small_world.start(PLAN)
    small_world.review(correct=80)
    promoted(small_world)
    small_world.review(correct=10)
    small_world.review(errors=30, pending=1)
    acted(small_world, looked(small_world, GateMemory()))
    found = document_of(certified(small_world.database))
    assert len(found["harms"][0]["ids"]) == 40
    return found


ALL_WRONG = str(Standing.ERROR.value) * 40


def another_sight(edited: dict[str, Any]) -> None:
    sight = sight_of(edited["harms"][0]["sight"])
    edited["harms"][0]["sight"] = sight_record(replace(sight, standings=sight.standings + 1))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (another_sight, "no longer what was judged"),
        (lambda d: d["harms"].clear(), "the next harm is event 3"),
        (lambda d: d["harms"].append(d["harms"][0]), "there is no further harm"),
        (lambda d: d["harms"][0].update(standings=ALL_WRONG), "errors 40 instead of 30"),
        (lambda d: d["harms"][0].update(note="x"), "does not agree"),
        (lambda d: d["harms"][0].update(ids=list(range(500, 510))), "does not agree"),
        (lambda d: d["answers"]["limited-scope"].pop(), "is missing"),
        (lambda d: d["answers"]["limited-scope"].pop(0), "part `answers` of limited"),
    ],
)
def test_evidence_of_harm_that_was_edited_is_found_out(
    document: dict[str, Any], change: Callable[[dict[str, Any]], None], why: str
) -> None:
    assert checked(file_of(document))
    edited = copy.deepcopy(document)
    change(edited)
    with pytest.raises(Broken, match=why):
        checked(file_of(signed(edited)))


def test_a_verdict_that_was_changed_in_the_database_is_found_out(small_world: World) -> None:
    small_world.start(PLAN)
    small_world.review(correct=80)
    promoted(small_world)
    small_world.review(correct=10)
    small_world.wait(hours=2)
    small_world.review(errors=30)
    acted(small_world, looked(small_world, GateMemory()))
    assert "on 40 answers" in said(small_world)
    with small_world.database.begin() as connection:
        row = evidence.c.prediction_id == "p85"
        connection.execute(sa.delete(evidence).where(row))
    with pytest.raises((Broken, Conflict)):
        said(small_world)
