"""What the controller does for one rollout.

It lowers exposure by itself, and raises it only if the plan says so and every gate passes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from registry.domain.decision import Judgement, Promote, RollBack, spoken
from registry.domain.plan import DeadlineThen
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.ports import UnitOfWork
from registry.services.control import abort, pause_rollout
from registry.services.judge import GateMemory, judge
from registry.services.promote import advance, summary
from registry.services.record import CONTROLLER


class Act(StrEnum):
    """What the controller may do."""

    ROLL_BACK = "roll-back"
    PAUSE = "pause"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that the controller is about to do; it pauses once for each `cause`."""

    act: Act
    reason: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """What the controller sees of a rollout, and what there is to do, if anything."""

    judgement: Judgement
    wish: Wish | None = None


def intent(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory | None = None
) -> Intent:
    """What there is to do now; only reads."""
    judgement = judge(unit, rollout, now, memory)
    return Intent(judgement, _wish(unit, rollout, judgement, now))


def tick(unit: UnitOfWork, model: str, now: datetime) -> Rollout | None:
    """Do what there is to do for a model's candidate; None if nothing was."""
    rollout = unit.rollouts.active(model)
    if rollout is None:
        return None
    seen = intent(unit, rollout, now)
    wish, decision = seen.wish, seen.judgement.decision
    if wish is None:
        return None
    detail: dict[str, Any] = {**summary(seen.judgement), "cause": wish.cause}
    if wish.act is Act.ROLL_BACK:
        return abort(unit, model, CONTROLLER, now, wish.reason, detail)
    if wish.act is Act.PAUSE:
        return pause_rollout(unit, rollout, CONTROLLER, now, wish.reason, detail)
    if isinstance(decision, Promote):
        return advance(unit, rollout, decision.to, CONTROLLER, "promoted", now, detail)
    return None


def _wish(unit: UnitOfWork, rollout: Rollout, judgement: Judgement, now: datetime) -> Wish | None:
    decision = judgement.decision
    if isinstance(decision, RollBack):
        return Wish(Act.ROLL_BACK, "; ".join(decision.reasons), "harm")
    overdue = _deadline(rollout, now)
    if overdue is not None and overdue.act is Act.ROLL_BACK:
        return overdue
    if rollout.paused is not None:
        return None
    for wish in (_shift(rollout, judgement), overdue):
        if wish is not None and not _paused_before(unit, rollout, wish.cause):
            return wish
    if isinstance(decision, Promote) and rollout.stage_plan.advance.automatic:
        return Wish(Act.PROMOTE)
    return None


def _deadline(rollout: Rollout, now: datetime) -> Wish | None:
    deadline = rollout.stage_plan.deadline
    if deadline is None or now < rollout.stage_since + timedelta(seconds=deadline.after_seconds):
        return None
    reason = f"{rollout.stage} reached its deadline of {spoken(deadline.after_seconds)}"
    rolls_back = deadline.then is DeadlineThen.ROLL_BACK
    act = Act.ROLL_BACK if rolls_back else Act.PAUSE
    return Wish(act, reason, f"deadline of {rollout.stage}")


def _shift(rollout: Rollout, judgement: Judgement) -> Wish | None:
    stale = judgement.stale
    if not stale or rollout.stage not in (Stage.LIMITED_SCOPE, Stage.GRADUAL):
        return None
    result = stale[0].result
    return Wish(Act.PAUSE, result.sentence, f"drift since {result.numbers['shifted_since']}")


def _paused_before(unit: UnitOfWork, rollout: Rollout, cause: str) -> bool:
    """Whether this very cause has paused the rollout already, and a person went on."""
    return any(
        event.detail.get("cause") == cause
        for event in unit.audit.read(rollout.model, rollout_id=rollout.id, action="paused")
    )
