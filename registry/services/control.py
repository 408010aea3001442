"""Stop, continue and take back rollouts; abort always wins."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from registry.domain.errors import StageConflict
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Command, Place, check, end, move
from registry.domain.transitions import pause as paused
from registry.domain.transitions import resume as resumed
from registry.ports import UnitOfWork
from registry.services import find
from registry.services.record import record, set_alias

# What the audit log calls each way out.
_DONE = {
    Command.ABORT: "aborted",
    Command.REJECT: "rejected",
    Command.EXPIRE: "expired",
    Command.UNDO: "undone",
}


def pause(
    unit: UnitOfWork,
    model: str,
    actor: str,
    now: datetime,
    reason: str = "",
    expected_generation: int | None = None,
) -> Rollout:
    """Stop promotions; what the candidate answers stays as it is, and harm still rolls back."""
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    rollout = find.latest(unit, model)
    find.check_generation(rollout, expected_generation)
    return pause_rollout(unit, rollout, actor, now, reason)


def pause_rollout(
    unit: UnitOfWork,
    rollout: Rollout,
    actor: str,
    now: datetime,
    reason: str,
    detail: Mapping[str, Any] | None = None,
) -> Rollout:
    """Pause one rollout, keeping who did it and why."""
    after = paused(rollout, actor, reason, now)
    return record(unit, rollout, after, actor, "paused", now, {"reason": reason, **(detail or {})})


def resume(
    unit: UnitOfWork,
    model: str,
    actor: str,
    now: datetime,
    reason: str = "",
    expected_generation: int | None = None,
) -> Rollout:
    """Allow promotions again."""
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    rollout = find.latest(unit, model)
    find.check_generation(rollout, expected_generation)
    after = resumed(rollout, now)
    return record(unit, rollout, after, actor, "resumed", now, {"reason": reason})


def abort(
    unit: UnitOfWork,
    model: str,
    actor: str,
    now: datetime,
    reason: str = "",
    detail: Mapping[str, Any] | None = None,
    *,
    command: Command = Command.ABORT,
) -> Rollout:
    """Take the candidate out; if it is live already, go back to the version before it.

    It takes no expected generation: whatever happened in between, abort wins. A version that was
    itself rolled back since it was live does not come back: callers get 503 until the next one.
    command: abort; reject, so that the version cannot be tried again; or expire.
    """
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    detail = {"reason": reason, **(detail or {})}
    active = unit.rollouts.active(model)
    if active is not None:
        after = end(active, command, now)
        return record(unit, active, after, actor, _DONE[command], now, detail)
    live = unit.rollouts.live(model)
    if live is None:
        return _clear_live(unit, find.latest(unit, model), actor, now, detail)
    return take_back(unit, live, actor, now, detail, command)


def take_back(
    unit: UnitOfWork,
    live: Rollout,
    actor: str,
    now: datetime,
    detail: Mapping[str, Any],
    command: Command = Command.ABORT,
) -> Rollout:
    """Take out a live version: the one before it answers again, if it still may."""
    to = returns_to(unit, live.model)
    return _step_back(unit, live, command, to, actor, now, detail)


def returns_to(unit: UnitOfWork, model: str) -> int | None:
    """The version that answers again if the live one is taken back; None if none may."""
    previous = _before(unit, model)
    if previous is None or _why_not_back_to(unit, model, previous):
        return None
    return previous


def undo(
    unit: UnitOfWork,
    model: str,
    actor: str,
    now: datetime,
    reason: str = "",
    expected_generation: int | None = None,
) -> Rollout:
    """Go back to the version that was live before the live one."""
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    rollout = unit.rollouts.live(model) or find.latest(unit, model)
    find.check_generation(rollout, expected_generation)
    check(rollout, Command.UNDO)
    previous = _before(unit, model)
    if previous is None:
        raise StageConflict(
            f"nothing was live before {model}@{rollout.version}; abort it to answer no request, or "
            "start a rollout of another version"
        )
    objection = _why_not_back_to(unit, model, previous)
    if objection:
        raise StageConflict(objection)
    return _step_back(unit, rollout, Command.UNDO, previous, actor, now, {"reason": reason})


def _before(unit: UnitOfWork, model: str) -> int | None:
    return unit.live.get(model)[1]


def _why_not_back_to(unit: UnitOfWork, model: str, version: int) -> str | None:
    """A version that was live may have been tried once more, and have failed, since then."""
    last = unit.rollouts.of_version(model, version)
    if last is None or last.stage is Stage.RETAINED:
        return None
    if last.active:
        return (
            f"{model}@{version} is itself a candidate, in {last.stage.words}; abort that "
            "rollout first"
        )
    return (
        f"{model}@{version}, which was live before, is {last.stage.words} since then; abort to "
        "answer no request"
    )


def _step_back(
    unit: UnitOfWork,
    rollout: Rollout,
    command: Command,
    to: int | None,
    actor: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> Rollout:
    after = end(rollout, command, now)
    _follow_baseline(unit, rollout, to, actor, now)
    record(unit, rollout, after, actor, _DONE[command], now, {**detail, "live": to})
    unit.live.put(rollout.model, to, None, now)
    before = None if to is None else unit.rollouts.of_version(rollout.model, to)
    if before is not None:
        restored = move(before, Command.RESTORE, Place(Stage.LIVE, before.step), now)
        record(unit, before, restored, actor, "restored", now, {"instead_of": rollout.version})
    else:
        set_alias(unit, rollout.model, "live", to, now)
    return after


def _clear_live(
    unit: UnitOfWork, last: Rollout, actor: str, now: datetime, detail: Mapping[str, Any]
) -> Rollout:
    """Whatever is said to be live without a rollout that made it so: nothing answers from now."""
    version, _ = unit.live.get(last.model)
    if version is None:
        check(last, Command.ABORT)
    unit.live.put(last.model, None, None, now)
    set_alias(unit, last.model, "live", None, now)
    unit.audit.append(now, actor, "aborted", last.model, version, None, {**detail, "live": None})
    return last


def _follow_baseline(
    unit: UnitOfWork, taken_back: Rollout, live: int | None, actor: str, now: datetime
) -> None:
    """A candidate must not lean on the version that is taken back: it gets what is live now.

    What compares the two begins anew: evidence from before was about another baseline.
    """
    candidate = unit.rollouts.active(taken_back.model)
    if candidate is None or candidate.baseline != taken_back.version:
        return
    generation = candidate.generation + 1
    after = replace(candidate, baseline=live, generation=generation, baseline_generation=generation)
    record(unit, candidate, after, actor, "baseline-changed", now, {"baseline": live})
