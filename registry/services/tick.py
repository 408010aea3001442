"""What the controller does for one rollout.

It lowers exposure by itself, and raises it only if the plan says so and every gate passes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from registry.domain.deadlines import Warned, passed, warning
from registry.domain.decision import Judgement, Promote, RollBack, spoken
from registry.domain.news import Event, News, place
from registry.domain.plan import DeadlineThen
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Command
from registry.ports import UnitOfWork
from registry.services.control import abort, pause_rollout
from registry.services.judge import GateMemory, Looked, judge
from registry.services.keep_sight import keep_sight
from registry.services.promote import Prepared, prepare, promote_by_itself, summary
from registry.services.record import CONTROLLER, said_before, say


class Act(StrEnum):
    """What the controller may do."""

    ROLL_BACK = "roll-back"
    EXPIRE = "expire"
    PAUSE = "pause"
    PROMOTE = "promote"
    SAY = "say"


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that the controller is about to do; it pauses or speaks once for each `cause`."""

    act: Act
    reason: str = ""
    cause: str = ""
    news: News | None = None


@dataclass(frozen=True, slots=True)
class Intent(Looked):
    """What the controller sees of a rollout, and what there is to do, if anything."""

    wish: Wish | None = None
    prepared: Prepared | None = None


def intent(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory | None = None
) -> Intent:
    """What there is to do now; only reads."""
    memory = memory or GateMemory()
    judgement = judge(unit, rollout, now, memory)
    wish = _wish(unit, rollout, judgement, now)
    if wish is None or wish.act is not Act.PROMOTE:
        harm = wish is not None and wish.act is Act.ROLL_BACK
        return Intent(rollout, judgement, wish, sight=memory.sight(rollout) if harm else None)
    # Traffic of the last minute counts here, and not in the log of a promotion: that may say no.
    prepared = prepare(unit, rollout, now)
    agrees = isinstance(prepared.judgement.decision, Promote)
    return Intent(rollout, judgement, wish if agrees else None, prepared)


def tick(unit: UnitOfWork, model: str, now: datetime, seen: Intent | None = None) -> Rollout | None:
    """Do what there is to do for a model's candidate; None if nothing of it changed.

    seen: what a look found that kept nobody from writing; nothing is done if it holds no longer.
    """
    unit.routing_clock.tick()  # first, as in `record`: two controllers must not both say a thing
    rollout = unit.rollouts.active(model)
    if rollout is None or (seen is not None and not seen.holds(rollout)):
        return None
    return _do(unit, rollout, seen or intent(unit, rollout, now), now)


def _do(unit: UnitOfWork, rollout: Rollout, seen: Intent, now: datetime) -> Rollout | None:
    judgement, wish = seen.judgement, seen.wish
    if wish is None:
        return None
    detail: dict[str, Any] = {**summary(judgement), "cause": wish.cause}
    if wish.act is Act.ROLL_BACK:
        detail |= keep_sight(unit, seen.sight)
    if wish.act in (Act.ROLL_BACK, Act.EXPIRE):
        command = Command.EXPIRE if wish.act is Act.EXPIRE else Command.ABORT
        args = (unit, rollout.model, CONTROLLER, now, wish.reason, detail)
        return abort(*args, command=command)
    if wish.act is Act.PAUSE:
        return pause_rollout(unit, rollout, CONTROLLER, now, wish.reason, detail)
    if wish.news is not None:
        say(unit, rollout, wish.news, wish.cause, now, summary(judgement))
        return None
    return promote_by_itself(unit, rollout, CONTROLLER, now, {"cause": wish.cause}, seen.prepared)


def _wish(unit: UnitOfWork, rollout: Rollout, judgement: Judgement, now: datetime) -> Wish | None:
    decision = judgement.decision
    if isinstance(decision, RollBack):
        return Wish(Act.ROLL_BACK, "; ".join(decision.reasons), "harm")
    overdue = _deadline(rollout, now)
    if overdue is not None and overdue.act is Act.EXPIRE:
        return overdue
    if rollout.paused is None:
        for wish in (*_doubts(rollout, judgement), *([overdue] if overdue else [])):
            if not said_before(unit, rollout, "paused", wish.cause):
                return wish
        if isinstance(decision, Promote) and rollout.stage_plan.advance.automatic:
            return Wish(Act.PROMOTE)
    return _something_to_say(unit, rollout, judgement, now)


def _something_to_say(
    unit: UnitOfWork, rollout: Rollout, judgement: Judgement, now: datetime
) -> Wish | None:
    for warned in (warning(rollout, now), _waiting(rollout, judgement)):
        if warned and not said_before(unit, rollout, warned.news.event, warned.cause):
            return Wish(Act.SAY, warned.news.sentence, warned.cause, warned.news)
    return None


def _waiting(rollout: Rollout, judgement: Judgement) -> Warned | None:
    """That only people are missing; said again when what they would approve has changed."""
    if not judgement.waits_for_people or rollout.paused is not None:
        return None
    name, here = f"{rollout.model}@{rollout.version}", place(rollout)
    more = judgement.approvals_needed - len(judgement.approvals_given)
    event = Event.WAITING_FOR_APPROVAL if more > 0 else Event.WAITING_FOR_PROMOTION
    if more > 0:
        what = "1 approval" if more == 1 else f"{more} approvals"
        sentence = f"{name} passes every gate of {here} and waits for {what}"
    else:
        sentence = f"{name} passes every gate of {here} and waits for somebody to promote it"
    cause = f"{more} missing for {judgement.evidence_digest}"
    return Warned(cause, News(event, sentence))


def _deadline(rollout: Rollout, now: datetime) -> Wish | None:
    deadline = passed(rollout, now)
    if deadline is None:
        return None
    reason = f"{rollout.stage.words} reached its deadline of {spoken(deadline.after_seconds)}"
    act = Act.EXPIRE if deadline.then is DeadlineThen.ROLL_BACK else Act.PAUSE
    return Wish(act, reason, f"deadline of {rollout.stage}")


def _doubts(rollout: Rollout, judgement: Judgement) -> Iterator[Wish]:
    """What each gate leaves to a person; who resumes has seen it."""
    shifts = judgement.stale if rollout.stage in (Stage.LIMITED_SCOPE, Stage.GRADUAL) else ()
    for gate in (*judgement.doubtful, *shifts):
        yield Wish(Act.PAUSE, gate.result.sentence, gate.cause(f"in {rollout.stage}"))
