"""What a change of a rollout is to people who are not looking at it: one sentence, if anything."""

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.rollout import Rollout
from registry.domain.stages import ENDED, Stage


class Event(StrEnum):
    """What people are told of."""

    STARTED = "started"
    WAITING_FOR_APPROVAL = "waiting-for-approval"
    WAITING_FOR_PROMOTION = "waiting-for-promotion"
    STEP_DONE = "step-done"
    HELD = "held"
    DEADLINE_NEAR = "deadline-near"
    ROLLED_BACK = "rolled-back"
    LIVE = "live"
    MOVED_IN_MLFLOW = "moved-in-mlflow"


@dataclass(frozen=True, slots=True)
class News:
    """An event, and what there is to say of it."""

    event: Event
    sentence: str


_ENDS = {
    Stage.ROLLED_BACK: "was rolled back from",
    Stage.REJECTED: "was rejected in",
    Stage.EXPIRED: "expired in",
}


def news(before: Rollout | None, after: Rollout, actor: str, reason: str = "") -> News | None:
    """What a change is to others; None if it is none of their business."""
    name = f"{after.model}@{after.version}"
    if before is None:
        return News(Event.STARTED, f"{actor} started {name} in {after.stage.words}")
    if after.stage in _ENDS:
        why = f": {reason}" if reason else f", by {actor}"
        return News(Event.ROLLED_BACK, f"{name} {_ENDS[after.stage]} {place(before)}{why}")
    if after.stage in ENDED or not before.active:
        return None
    if after.stage is Stage.LIVE:
        return News(Event.LIVE, f"{name} is live: {actor} promoted it from {place(before)}")
    if after.paused and not before.paused:
        why = f"{after.paused.by}: {after.paused.reason}"
        return News(Event.HELD, f"{name} is held in {place(after)} by {why}")
    if (before.stage, before.step) != (after.stage, after.step):
        return News(Event.STEP_DONE, f"{name} went on from {place(before)} to {place(after)}")
    return None


def place(rollout: Rollout) -> str:
    """Where a rollout stands, in words."""
    if rollout.stage is Stage.GRADUAL:
        return f"{rollout.stage.words} at {rollout.weight:g} %"
    return rollout.stage.words
