"""The stage machine: one table says where each command may lead."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from registry.domain.errors import StageConflict
from registry.domain.rollout import Pause, Rollout
from registry.domain.stages import ACTIVE, ENDED, Stage


class Command(StrEnum):
    """What can be done to a rollout."""

    START = "start"
    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    REJECT = "reject"  # abort, and never try this version again
    EXPIRE = "expire"  # nobody acted before the deadline
    UNDO = "undo"
    COMPLETE = "complete"  # the watch after live is over
    RETAIN = "retain"  # another version became live
    RESTORE = "restore"  # that other version was undone


_MANUAL, _LIMITED, _GRADUAL = Stage.MANUAL_REVIEW, Stage.LIMITED_SCOPE, Stage.GRADUAL
_LIVE, _RETAINED, _BACK = Stage.LIVE, Stage.RETAINED, Stage.ROLLED_BACK
_REJECTED, _EXPIRED = Stage.REJECTED, Stage.EXPIRED

# `paused` is no stage: it stops promotions in the stage where it happens, and stops nothing else.
TABLE: Mapping[tuple[Stage, Command], frozenset[Stage]] = {
    (Stage.REGISTERED, Command.START): ACTIVE,
    (_RETAINED, Command.START): ACTIVE,
    (_BACK, Command.START): ACTIVE,
    (_EXPIRED, Command.START): ACTIVE,
    (_MANUAL, Command.PROMOTE): frozenset({_LIMITED, _GRADUAL, _LIVE}),
    (_LIMITED, Command.PROMOTE): frozenset({_GRADUAL, _LIVE}),
    (_GRADUAL, Command.PROMOTE): frozenset({_GRADUAL, _LIVE}),
    (_MANUAL, Command.PAUSE): frozenset({_MANUAL}),
    (_LIMITED, Command.PAUSE): frozenset({_LIMITED}),
    (_GRADUAL, Command.PAUSE): frozenset({_GRADUAL}),
    (_MANUAL, Command.RESUME): frozenset({_MANUAL}),
    (_LIMITED, Command.RESUME): frozenset({_LIMITED}),
    (_GRADUAL, Command.RESUME): frozenset({_GRADUAL}),
    (_MANUAL, Command.ABORT): frozenset({_BACK}),
    (_LIMITED, Command.ABORT): frozenset({_BACK}),
    (_GRADUAL, Command.ABORT): frozenset({_BACK}),
    (_LIVE, Command.ABORT): frozenset({_BACK}),
    (_MANUAL, Command.REJECT): frozenset({_REJECTED}),
    (_LIMITED, Command.REJECT): frozenset({_REJECTED}),
    (_GRADUAL, Command.REJECT): frozenset({_REJECTED}),
    (_LIVE, Command.REJECT): frozenset({_REJECTED}),
    (_MANUAL, Command.EXPIRE): frozenset({_EXPIRED}),
    (_LIMITED, Command.EXPIRE): frozenset({_EXPIRED}),
    (_GRADUAL, Command.EXPIRE): frozenset({_EXPIRED}),
    (_LIVE, Command.UNDO): frozenset({_BACK}),
    (_LIVE, Command.COMPLETE): frozenset({_LIVE}),
    (_LIVE, Command.RETAIN): frozenset({_RETAINED}),
    (_RETAINED, Command.RESTORE): frozenset({_LIVE}),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A stage, and in gradual the number of the step."""

    stage: Stage
    step: int = 0


def next_place(rollout: Rollout) -> Place:
    """Where a promotion leads: the next step of gradual, else the plan's next stage."""
    if rollout.step + 1 < len(rollout.stage_plan.steps):
        return Place(rollout.stage, rollout.step + 1)
    stages = [part.stage for part in rollout.plan.stages]
    return Place(stages[stages.index(rollout.stage) + 1])


def move(rollout: Rollout, command: Command, to: Place, now: datetime) -> Rollout:
    """The rollout after the command; StageConflict where the table has no such way."""
    _check_way(rollout, command, to)
    entered = to.stage is not rollout.stage
    moved = entered or to.step != rollout.step
    return replace(
        rollout,
        stage=to.stage,
        step=to.step,
        generation=rollout.generation + 1,
        stage_since=now if entered else rollout.stage_since,
        step_since=now if moved else rollout.step_since,
        paused=rollout.paused if to.stage is rollout.stage else None,
        ended_at=now if to.stage in ENDED else None,
        watched_until=_watched_until(rollout, command, to, now),
    )


def pause(rollout: Rollout, by: str, reason: str, now: datetime) -> Rollout:
    """Stop promotions; what the candidate answers stays as it is."""
    if rollout.paused is not None:
        raise StageConflict(
            f"{_name(rollout)} is already paused by {rollout.paused.by}: {rollout.paused.reason}"
        )
    moved = move(rollout, Command.PAUSE, Place(rollout.stage, rollout.step), now)
    return replace(moved, paused=Pause(by, reason or "no reason was given"))


def resume(rollout: Rollout, now: datetime) -> Rollout:
    """Allow promotions again."""
    moved = move(rollout, Command.RESUME, Place(rollout.stage, rollout.step), now)
    if rollout.paused is None:
        raise StageConflict(f"{_name(rollout)} is not paused, so there is nothing to resume")
    return replace(moved, paused=None)


def end(rollout: Rollout, command: Command, now: datetime) -> Rollout:
    """Take the version out of all traffic, to the one place where the command leads."""
    (stage,) = check(rollout, command)
    return move(rollout, command, Place(stage, rollout.step), now)


def complete(rollout: Rollout, now: datetime) -> Rollout:
    """End the watch of a live version; it stays live."""
    return move(rollout, Command.COMPLETE, Place(rollout.stage, rollout.step), now)


def check(rollout: Rollout, command: Command) -> frozenset[Stage]:
    """Where the command may lead from here; StageConflict if nowhere."""
    return check_stage(_name(rollout), rollout.stage, command)


def check_stage(name: str, stage: Stage, command: Command) -> frozenset[Stage]:
    """The same for a version that may have no rollout yet: it is registered."""
    ways = TABLE.get((stage, command), frozenset())
    if not ways:
        able = [place.words for (place, other) in TABLE if other is command]
        where = f"in {stage.words}, which {command} cannot leave"
        if stage in ENDED:
            where = f"{stage.words}, and its rollout is over"
        raise StageConflict(f"{name} is {where}; {command} works in {', '.join(able)}")
    return ways


def _check_way(rollout: Rollout, command: Command, to: Place) -> None:
    ways = check(rollout, command)
    if to.stage not in ways:
        raise StageConflict(
            f"{_name(rollout)} cannot go from {rollout.stage.words} to {to.stage.words}; "
            f"from there {command} leads to {', '.join(sorted(stage.words for stage in ways))}"
        )
    if to.stage is rollout.stage and command is Command.PROMOTE and to.step <= rollout.step:
        raise StageConflict(
            f"{_name(rollout)} is at step {rollout.step + 1} of {rollout.stage.words} already"
        )


def _watched_until(rollout: Rollout, command: Command, to: Place, now: datetime) -> datetime | None:
    """A promotion to live begins the watch; a version that comes back goes on with its own."""
    if command is Command.PROMOTE and to.stage is Stage.LIVE:
        seconds = rollout.plan.stage(Stage.LIVE).watch_seconds
        return now + timedelta(seconds=seconds) if seconds else None
    stays = to.stage in (Stage.LIVE, Stage.RETAINED) and command is not Command.COMPLETE
    return rollout.watched_until if stays else None


def _name(rollout: Rollout) -> str:
    return f"{rollout.model}@{rollout.version}"
