"""The deadline of a stage: when it passes, and when people are warned that it will."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.decision import spoken
from registry.domain.news import Event, News
from registry.domain.plan import Deadline, DeadlineThen
from registry.domain.rollout import Rollout

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning that is due; `cause` tells it from all others of the rollout."""

    cause: str
    news: News


def deadline_at(rollout: Rollout) -> datetime | None:
    """When the deadline of the present stage passes; None without one."""
    deadline = rollout.stage_plan.deadline if rollout.active else None
    return None if deadline is None else _at(rollout, deadline)


def passed(rollout: Rollout, now: datetime) -> Deadline | None:
    """The deadline of the present stage, once it has passed."""
    deadline = rollout.stage_plan.deadline
    if deadline is None or now < _at(rollout, deadline):
        return None
    return deadline


def warning(rollout: Rollout, now: datetime) -> Warned | None:
    """The newest warning that is due: at half time, and a day before the end.

    Only the newest: whoever was away at half time needs no second sentence about it.
    """
    deadline = rollout.stage_plan.deadline
    if deadline is None or not rollout.active:
        return None
    at = _at(rollout, deadline)
    moments = {rollout.stage_since + (at - rollout.stage_since) / 2: "half time"}
    if at - _DAY > rollout.stage_since:
        moments[at - _DAY] = "a day before"
    due = [moment for moment in moments if moment <= now]
    if now >= at or not due:
        return None
    cause = f"{moments[max(due)]} of {rollout.stage} since {rollout.stage_since.isoformat()}"
    return Warned(cause, News(Event.DEADLINE_NEAR, _sentence(rollout, deadline, at - now)))


def what_happens(deadline: Deadline, baseline: int | None) -> str:
    """What a deadline does when nobody acts."""
    if deadline.then is DeadlineThen.HOLD:
        return "it is paused where it is"
    if baseline is None:
        return "it expires, and callers get 503 while no other version is live"
    return f"it expires and version {baseline} answers everything"


def _sentence(rollout: Rollout, deadline: Deadline, left: timedelta) -> str:
    return (
        f"{rollout.model}@{rollout.version} has {spoken(left.total_seconds())} left in "
        f"{rollout.stage.words}; if nobody acts, {what_happens(deadline, rollout.baseline)}"
    )


def _at(rollout: Rollout, deadline: Deadline) -> datetime:
    return rollout.stage_since + timedelta(seconds=deadline.after_seconds)
