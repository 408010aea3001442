"""What people are told of a rollout: each thing once, in the transaction that makes it true."""

import pytest
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Conflict, Forbidden, GatesNotPassed, StageConflict
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.stages import Stage
from registry.domain.transitions import Command
from registry.services import control
from registry.services.approve import approve
from registry.services.judge import judge
from registry.services.promote import promote
from registry.services.tick import intent, tick

pytestmark = pytest.mark.integration
APPROVED = PLAN.replace("then: roll-back}", "then: roll-back}\n  advance: {approvals: 1}")


@pytest.fixture
def world(migrated_sqlite_url: str) -> World:
    return World(Database(migrated_sqlite_url))


def ticked(world: World) -> object:
    return world.do(lambda unit: tick(unit, "bears", world.now))


def wishes(world: World) -> bool:
    with world.database.read() as connection:
        return intent(SqlUnitOfWork(connection), world.rollout(), world.now).wish is not None


def test_the_way_to_live_is_told_step_by_step(world: World) -> None:
    world.start()
    world.do(lambda u: control.pause(u, "bears", "eve", world.now, "looking"))
    world.do(lambda u: control.resume(u, "bears", "eve", world.now))
    for _ in range(4):
        world.do(lambda u: promote(u, "bears", "bob", world.now, override=True, reason="x"))
    world.do(lambda u: control.abort(u, "bears", "bob", world.now, "odd"))
    assert world.told() == [
        ("started", "bob started bears@2 in manual review"),
        ("held", "bears@2 is held in manual review by eve: looking"),
        ("step-done", "bears@2 went on from manual review to limited scope"),
        ("step-done", "bears@2 went on from limited scope to gradual at 5 %"),
        ("step-done", "bears@2 went on from gradual at 5 % to gradual at 50 %"),
        ("live", "bears@2 is live: bob promoted it from gradual at 50 %"),
        ("rolled-back", "bears@2 was rolled back from live: odd"),
    ]


def test_a_change_that_is_taken_back_tells_nobody(world: World) -> None:
    def half(unit: SqlUnitOfWork) -> None:
        control.abort(unit, "bears", "bob", world.now)
        raise Conflict("the network went away")

    world.start()
    with pytest.raises(Conflict):
        world.do(half)
    assert [event for event, _ in world.told()] == ["started"]


def test_a_deadline_is_announced_at_half_time_and_a_day_before_each_once(world: World) -> None:
    world.start()
    for days in (14, 1, 1, 12, 1, 0.5):
        world.wait(days=days)
        ticked(world)
        ticked(world)
    assert not wishes(world)
    near = [sentence for event, sentence in world.told() if event == "deadline-near"]
    ending = (
        "left in manual review; if nobody acts, it expires, and callers get 503 while no other "
        "version is live"
    )
    assert near == [f"bears@2 has 15 d {ending}", f"bears@2 has 1 d {ending}"]
    assert world.actions().count(("controller", "deadline-near")) == 2
    world.wait(days=1)
    ticked(world)
    assert world.told()[-1] == (
        "rolled-back",
        "bears@2 expired in manual review: manual review reached its deadline of 30 d",
    )


def test_a_paused_rollout_is_warned_of_its_deadline_too(world: World) -> None:
    world.start()
    world.do(lambda u: control.pause(u, "bears", "eve", world.now))
    world.wait(days=15)
    ticked(world)
    assert world.told()[-1][0] == "deadline-near"


def test_waiting_for_people_is_told_once_and_again_when_the_evidence_changes(world: World) -> None:
    def waiting(what: str = "waiting-for-approval") -> list[str]:
        ticked(world)
        return [text for event, text in world.told() if event == what]

    world.start(APPROVED)
    assert waiting() == []
    world.review(correct=200)
    sentence = "bears@2 passes every gate of manual review and waits for 1 approval"
    assert waiting() == waiting() == [sentence]
    world.review(errors=1)
    assert waiting() == waiting() == [sentence] * 2
    world.do(lambda u: approve(u, "bears", "eve", digest(world), world.now))
    assert waiting() == [sentence] * 2
    (approved,) = waiting("waiting-for-promotion")
    assert approved.endswith("waits for somebody to promote it")


def test_a_rejected_version_is_not_tried_again(world: World) -> None:
    world.start()
    out = world.do(
        lambda u: control.abort(u, "bears", "eve", world.now, "odd", command=Command.REJECT).stage
    )
    assert out is Stage.REJECTED
    assert world.told()[-1] == ("rolled-back", "bears@2 was rejected in manual review: odd")
    with pytest.raises(StageConflict, match="bears@2 was rejected; register a new version"):
        world.start()


def digest(world: World) -> str:
    with world.database.read() as connection:
        return judge(SqlUnitOfWork(connection), world.rollout(), world.now).evidence_digest


def reviewed_by(world: World, **counts: int) -> None:
    rollout = world.rollout()
    for reviewer, count in counts.items():
        rows = [
            EvidenceRow(
                rollout.id, rollout.stage, 0, f"{reviewer}{n}", 2, "teddy", 1.0, True, world.now,
                verdict=Verdict.CORRECT, reviewer=reviewer,
            )
            for n in range(count)
        ]  # fmt: skip
        world.do(lambda unit, rows=rows: unit.evidence.add(rows))


def test_nobody_approves_what_rests_on_their_own_verdicts(world: World) -> None:
    world.start(APPROVED)
    reviewed_by(world, eve=60, kim=59)
    with pytest.raises(Forbidden, match="eve gave 60 of the 119 verdicts that this evidence rests"):
        world.do(lambda u: approve(u, "bears", "eve", digest(world), world.now))
    with pytest.raises(Conflict, match="there is no evidence nonsense now"):
        world.do(lambda u: approve(u, "bears", "eve", "nonsense", world.now))
    world.do(lambda u: approve(u, "bears", "kim", digest(world), world.now))
    reviewed_by(world, mia=1)
    world.do(lambda u: approve(u, "bears", "eve", digest(world), world.now))


def test_an_approval_lapses_when_its_giver_has_reviewed_most_since(world: World) -> None:
    world.start(APPROVED)
    reviewed_by(world, eve=60, kim=40)
    world.do(lambda u: approve(u, "bears", "kim", digest(world), world.now))
    reviewed_by(world, kim=100)
    with pytest.raises(GatesNotPassed, match="0 of 1 approvals"):
        world.do(lambda u: promote(u, "bears", "bob", world.now))
