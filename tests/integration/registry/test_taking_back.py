"""Taking a version back when versions were tried more than once: abort always works."""

import threading

import pytest
from certificates import certified, checked
from rollout_world import PLAN, World
from waiting import PATIENCE, eventually, waiting_for_a_lock

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import StageConflict, Unavailable
from registry.domain.evidence import EvidenceRow, Verdict
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.services import control
from registry.services.judge import GateMemory, judge
from registry.services.promote import promote
from serving.services.routes import read_routes

pytestmark = pytest.mark.integration


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def plan(version: int, baseline: str) -> str:
    return PLAN.replace("version: 2", f"version: {version}").replace("none", baseline, 1)


def to_live(world: World, version: int, baseline: str = "none") -> None:
    world.start(plan(version, baseline))
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))


def abort(world: World) -> None:
    world.do(lambda u: control.abort(u, "bears", "bob", world.now, "harm"))


def undo(world: World) -> None:
    world.do(lambda u: control.undo(u, "bears", "bob", world.now))


def stage_of(world: World, version: int) -> Stage | None:
    with world.database.read() as connection:
        found = SqlUnitOfWork(connection).rollouts.of_version("bears", version)
    return found.stage if found else None


def test_a_version_that_failed_its_second_try_does_not_come_back_and_abort_still_works(
    world: World,
) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.start(plan(1, "live"))
    abort(world)
    with pytest.raises(StageConflict, match="bears@1, which was live before, is rolled back"):
        undo(world)
    assert world.live() == (2, 1)
    abort(world)
    assert world.live() == (None, None)
    assert stage_of(world, 2) is Stage.ROLLED_BACK
    assert ("live", None, None) in world.effects()[-2:]
    with pytest.raises(StageConflict, match="its rollout is over; abort works in"):
        abort(world)


def test_callers_of_a_first_version_that_was_taken_back_are_told_so(world: World) -> None:
    world.start(plan(1, "none"))
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))
    abort(world)
    with world.database.read() as connection:
        routes = read_routes(SqlUnitOfWork(connection))
    with pytest.raises(Unavailable) as refused:
        routes.assign("bears", {}, world.now)
    assert str(refused.value) == (
        "No version of bears answers: version 1 is rolled back, and no other is live; start a "
        "rollout of one with `stagegate rollout start PLAN`."
    )


def test_a_version_is_not_live_and_a_candidate_at_once(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.start(plan(1, "2"))
    with pytest.raises(StageConflict, match="bears@1 is itself a candidate, in manual review"):
        undo(world)
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))
    assert world.live() == (1, 2)
    assert (stage_of(world, 1), stage_of(world, 2)) == (Stage.LIVE, Stage.RETAINED)
    undo(world)
    assert world.live() == (2, None)
    assert (stage_of(world, 1), stage_of(world, 2)) == (Stage.ROLLED_BACK, Stage.LIVE)


def test_a_version_that_is_taken_back_answers_as_nobodys_baseline(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.start(plan(3, "2"))
    undo(world)
    assert (world.rollout().version, world.rollout().baseline) == (3, 1)
    assert ("bob", "baseline-changed") in world.actions()


PAIRED = """\
apiVersion: stagegate/v1
model: {name: bears, version: 3, baseline: 2}
stages:
- stage: manual-review
  gates: [{type: paired-loss, margin: 0.1}]
  deadline: {after: 30d, then: roll-back}
"""


def pairs(world: World, epoch: int) -> None:
    """Requests that both versions answered right; a replica may still write with an old epoch."""
    row = EvidenceRow(
        world.rollout().id, Stage.MANUAL_REVIEW, 0, "p", 3, "teddy", 1.0, True, world.now,
        baseline_label="teddy", verdict=Verdict.CORRECT, human_label="teddy", reviewer="rae",
        decided_at=world.now, epoch=epoch,
    )  # fmt: skip
    world.do(lambda u: u.evidence.add([row] * 200))


def judged(world: World, memory: GateMemory) -> str:
    with world.database.read() as connection:
        seen = judge(SqlUnitOfWork(connection), world.rollout(), world.now, memory)
    return seen.gates[0].result.sentence


def test_what_was_compared_with_a_version_that_is_taken_back_counts_no_more(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.start(PAIRED)
    memory = GateMemory()
    pairs(world, epoch=1)
    assert "200 pairs reviewed" in judged(world, memory)
    undo(world)
    nothing = "paired loss: no request was answered by both versions yet"
    assert judged(world, memory) == nothing
    pairs(world, epoch=1)
    assert judged(world, memory) == nothing
    pairs(world, epoch=world.rollout().generation)
    assert "200 pairs reviewed" in judged(world, memory)
    assert judged(world, memory) == judged(world, GateMemory())
    world.do(lambda u: promote(u, "bears", "bob", world.now))
    (promotion,) = checked(certified(world.database, 3))[1]
    assert promotion.before.baseline == 1
    assert promotion.judgement.gates[0].result.numbers["pairs"] == 200


def test_a_baseline_that_is_not_taken_back_stays(world: World) -> None:
    to_live(world, 1)
    to_live(world, 2, "live")
    world.start(plan(3, "1"))
    undo(world)
    assert world.rollout().baseline == 1
    assert ("bob", "baseline-changed") not in world.actions()


def test_a_clock_set_back_does_not_make_an_old_try_the_last_one(world: World) -> None:
    world.start(plan(1, "none"))
    abort(world)
    world.wait(hours=-5)
    to_live(world, 1)
    world.wait(hours=-5)
    to_live(world, 2, "live")
    assert world.rollout().version == 2
    undo(world)
    assert world.live() == (1, None)
    assert (stage_of(world, 1), stage_of(world, 2)) == (Stage.LIVE, Stage.ROLLED_BACK)


def test_what_is_live_without_a_rollout_can_be_aborted(world: World) -> None:
    world.start()
    abort(world)
    world.do(lambda u: u.live.put("bears", 3, 2, world.now))
    abort(world)
    assert world.live() == (None, None)
    assert world.effects()[-1] == ("live", None, None)


def test_a_start_during_an_undo_takes_the_version_that_is_live_after_it(world: World) -> None:
    """PostgreSQL would let it read the version that is being taken back."""
    to_live(world, 1)
    to_live(world, 2, "live")
    started: list[Rollout] = []
    beside = threading.Thread(target=lambda: started.append(world.start(plan(3, "live"))))
    with world.database.begin() as connection:
        control.undo(SqlUnitOfWork(connection), "bears", "bob", world.now)
        waits = waiting_for_a_lock(world.database.engine)
        beside.start()
        assert eventually(waits)
        assert started == []
    beside.join(PATIENCE)
    assert [rollout.baseline for rollout in started] == [1]
