"""A gate with `then: pause` has a person look where others roll back; freezes stop promotions."""

from datetime import UTC, datetime

import pytest
from certificates import certified, checked
from rollout_world import PLAN, World

from registry.adapters.database.engine import Database
from registry.domain.errors import GatesNotPassed
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.services import control
from registry.services.promote import promote
from registry.services.tick import tick
from registry.services.watch import watch

pytestmark = pytest.mark.integration
PAUSING = PLAN.replace("at_most: 0.05}", "at_most: 0.05, then: pause}")
HARM = "error rate: 40 reviewed, 40 errors: above 0.05 at confidence 0.99"


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def controlled(world: World) -> Rollout | None:
    return world.do(lambda u: tick(u, "bears", world.now))  # type: ignore[return-value]


def test_harm_found_by_a_gate_that_pauses_stops_the_rollout_and_takes_nothing_back(
    world: World,
) -> None:
    world.start(PAUSING)
    world.review(errors=40)
    held = controlled(world)
    assert held is not None
    assert held.paused is not None
    assert (held.stage, held.paused.by, held.paused.reason) == (
        Stage.MANUAL_REVIEW, "controller", HARM
    )  # fmt: skip
    assert world.told()[-1] == (
        "held", f"bears@2 is held in manual review by controller: {HARM}"
    )  # fmt: skip
    assert controlled(world) is None, "it is paused once"


def test_who_resumes_has_seen_it_and_it_is_not_promoted_all_the_same(world: World) -> None:
    world.start(PAUSING)
    world.review(errors=40)
    controlled(world)
    world.do(lambda u: control.resume(u, "bears", "eve", world.now))
    assert controlled(world) is None, "a person has decided that it goes on"
    with pytest.raises(GatesNotPassed) as refused:
        world.do(lambda u: promote(u, "bears", "bob", world.now))
    assert refused.value.reasons == (HARM,)
    world.do(lambda u: promote(u, "bears", "bob", world.now, override=True, reason="mislabelled"))
    found = checked(certified(world.database))[1]
    assert [gate.result.verdict for one in found for gate in one.judgement.gates] == ["failed"]


def resumed(world: World) -> None:
    world.do(lambda u: control.resume(u, "bears", "eve", world.now))


def two_gates(world: World) -> None:
    other = "at_most: 0.05, then: pause}, {type: error-rate, at_most: 0.5, then: pause}"
    world.start(PLAN.replace("at_most: 0.05}", other, 1))


def test_another_gate_of_the_same_type_pauses_too_and_alone(world: World) -> None:
    two_gates(world)
    world.review(correct=40, errors=10)
    first = controlled(world)
    assert first is not None
    assert first.paused is not None
    assert "above 0.05 at confidence" in first.paused.reason
    resumed(world)
    assert controlled(world) is None
    world.review(errors=100)
    second = controlled(world)
    assert second is not None
    assert second.paused is not None
    assert "above 0.5 at confidence" in second.paused.reason
    assert "above 0.05 at confidence" not in second.paused.reason
    resumed(world)
    assert controlled(world) is None, "each has been seen"


def test_a_gate_that_was_seen_stays_seen_when_another_passes_again_or_fails_beside_it(
    world: World,
) -> None:
    two_gates(world)
    world.review(errors=40)
    for sentence in ("above 0.05 at", "above 0.5 at"):
        held = controlled(world)
        assert held is not None
        assert held.paused is not None
        assert sentence in held.paused.reason
        resumed(world)
    assert controlled(world) is None
    world.review(correct=400)
    assert controlled(world) is None


def test_it_is_told_anew_in_the_next_stage(world: World) -> None:
    world.start(PAUSING)
    world.review(errors=40)
    controlled(world)
    world.do(lambda u: control.resume(u, "bears", "eve", world.now))
    world.do(lambda u: promote(u, "bears", "bob", world.now, override=True, reason="mislabelled"))
    world.review(errors=40)
    held = controlled(world)
    assert held is not None
    assert (held.stage, held.paused is not None) == (Stage.LIMITED_SCOPE, True)


def test_another_gate_of_the_stage_still_takes_it_back_also_while_paused(world: World) -> None:
    both = "at_most: 0.05, then: pause}, {type: error-rate, at_most: 0.5}"
    world.start(PLAN.replace("at_most: 0.05}", both))
    world.review(correct=40, errors=10)
    held = controlled(world)
    assert held is not None
    assert held.paused is not None
    world.review(errors=100)
    taken = controlled(world)
    assert taken is not None
    assert taken.stage is Stage.ROLLED_BACK
    assert "above 0.5 at confidence" in world.told()[-1][1]
    assert "above 0.05" not in world.told()[-1][1]


def test_after_live_it_tells_people_and_takes_nothing_back(world: World) -> None:
    world.start(PAUSING + "- {stage: live, watch: 30d, review: {sample: 1.0}}\n")
    world.do(lambda u: promote(u, "bears", "bob", world.now, to="live", override=True, reason="x"))
    world.review(errors=40)
    for _ in range(2):
        assert world.do(lambda u: watch(u, "bears", world.now)) is None
    told = [sentence for event, sentence in world.told() if event == "held"]
    assert told == [f"bears@2 stays live and needs a look: {HARM}"]
    assert world.rollout().stage is Stage.LIVE


def test_nothing_is_promoted_in_a_freeze_and_harm_is_taken_back_all_the_same(world: World) -> None:
    freeze = "freezes: [{from: 2026-05-30, to: 2026-06-03, timezone: America/Denver}]\nstages:"
    automatic = "at_most: 0.05}]\n  advance: {automatic: true}"
    text = PLAN.replace("stages:", freeze, 1).replace("at_most: 0.05}]", automatic, 1)
    world.start(text)
    world.review(correct=80)
    assert controlled(world) is None
    with pytest.raises(GatesNotPassed) as refused:
        world.do(lambda u: promote(u, "bears", "bob", world.now))
    assert refused.value.reasons == (
        "the plan has a freeze: nothing is promoted before Thu 2026-06-04 00:00 in America/Denver",
    )
    world.now = datetime(2026, 6, 4, 6, tzinfo=UTC)
    went = controlled(world)
    assert went is not None
    assert went.stage is Stage.LIMITED_SCOPE
    world.now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    world.review(errors=40)
    taken = controlled(world)
    assert taken is not None
    assert taken.stage is Stage.ROLLED_BACK
