"""Making an outcome final, once: by people whose last word stands, or by the deadline.

Both use the same compare-and-set on the held request. Whoever comes first answers its caller.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from registry.domain.errors import Conflict
from registry.domain.evidence import VERDICT_GRACE
from serving.domain.notices import Event, notice
from serving.domain.opinions import Disagreed, MoreWanted, Opinion, Settled, resolve
from serving.domain.prediction import DecidedBy, Fallback, Label, Prediction, Status
from serving.domain.review import (
    Item,
    ItemState,
    Queue,
    Task,
    answer,
    gold_item,
    last_key,
)
from serving.ports import ServingUnit
from serving.services.checks import ask_gold, check_gold, check_second

NOTIFICATION = "notification"


@dataclass(frozen=True, slots=True)
class Closed:
    """How many windows were closed, and the held requests that this has answered."""

    items: int
    answered: tuple[Prediction, ...]


def close_due(unit: ServingUnit, now: datetime, limit: int = 200) -> Closed:
    """Close the windows that are over.

    Nothing but the database knows of a window, so whoever leads next closes what a dead process
    has left.
    """
    items = unit.reviews.to_close(now, limit)
    closed = [close(unit, item_id, now) for item_id in items]
    return Closed(len(items), tuple(prediction for prediction in closed if prediction))


def close(unit: ServingUnit, item_id: str, now: datetime) -> Prediction | None:
    """End an item's window: ask another person, ask a lead, or make the outcome final."""
    task = unit.reviews.get(item_id)
    opinions = unit.review_log.current(item_id)
    result = resolve(task.item.opinions, opinions)
    if opinions:
        check_gold(unit, task.item, opinions[0], _given_at(task.item, opinions[0], now))
        check_second(unit, task.item, opinions, _given_at(task.item, opinions[-1], now))
    match result:
        case MoreWanted():
            unit.reviews.ask_another(task, task.slot.queue)
        case Disagreed():
            unit.reviews.ask_another(task, Queue.LEAD)
        case Settled():
            return _settle(unit, task.item, result, now)
        case unknown:
            assert_never(unknown)
    return None


def answer_late(unit: ServingUnit, now: datetime, limit: int = 200) -> tuple[Prediction, ...]:
    """Give held requests that are past due the answer that their plan names for that case.

    A person who has answered by then was first, also while their answer can still be undone. The
    item stays open after those that somebody waits for, because its verdict still teaches. Gives
    the requests that this call has answered.
    """
    answered = []
    for prediction in unit.predictions.overdue(now, limit):
        task = unit.reviews.of_prediction(prediction.id)
        if task and task.item.state is ItemState.CLOSING:
            by_person = close(unit, task.item.id, now)
            answered += [by_person] if by_person else []
        if task:
            unit.reviews.put_last(task, last_key(prediction.random_number))
        nothing = Fallback(Label(None), prediction.version, DecidedBy.FALLBACK)
        if unit.predictions.settle_late(prediction, prediction.fallback or nothing, now):
            final = unit.predictions.get(prediction.id)
            _tell(unit, final, Event.DECIDED, now)
            answered.append(final)
    return tuple(answered)


def cancel(unit: ServingUnit, prediction_id: str, now: datetime) -> Prediction:
    """The caller gives up on a held request; Conflict if it has been answered.

    Its verdict still teaches, and the gates wait for it: a candidate's answer that was drawn for
    review must not be lost because the caller left.
    """
    found = unit.predictions.get(prediction_id)
    if found.status is Status.HELD:
        # Items before predictions, as a verdict does: two orders could wait for each other.
        _withdraw(unit, unit.reviews.of_prediction(prediction_id), found, now)
    if not unit.predictions.cancel(prediction_id, now):
        raise Conflict(f"Prediction {prediction_id} has been answered and cannot be cancelled.")
    return unit.predictions.get(prediction_id)


def _withdraw(unit: ServingUnit, task: Task | None, found: Prediction, now: datetime) -> None:
    """Nobody waits any more: the item stays for what it teaches, or goes if it is nothing."""
    if task and task.item.version is None:
        unit.reviews.cancel(task, now)
    elif task:
        unit.reviews.put_last(task, last_key(found.random_number))


def _settle(unit: ServingUnit, item: Item, result: Settled, now: datetime) -> Prediction | None:
    outcome = answer(item, result.label)
    if not unit.reviews.close(item.id, outcome, result.source, now):
        return None
    if item.gold is not None:  # it has tested its reviewers, and is about no caller
        return None
    given = _given_at(item, result.last, now)
    unit.registry.evidence.settle(item.prediction_id, result.label, result.last.reviewer, given)
    _plant(unit, item, now)
    return _answer(unit, item, outcome, now)


def _given_at(item: Item, last: Opinion, now: datetime) -> datetime:
    """When a verdict that becomes final now counts as given: when it was, undo window or not.

    Gates wait for it a little longer than until it is due, and no longer: if nobody closed the
    window for a minute after that, it counts as given only now, too late.
    """
    if item.due_at is not None and now > item.due_at + VERDICT_GRACE:
        return now
    return last.decided_at


def _answer(unit: ServingUnit, item: Item, outcome: Label, now: datetime) -> Prediction | None:
    """Answer the caller who still waits, or amend what they were told meanwhile."""
    name = item.prediction_id
    if final := unit.predictions.settle(name, outcome, DecidedBy.HUMAN, now):
        _tell(unit, final, Event.DECIDED, now)
        return final
    if unit.predictions.amend(name, outcome, now):
        _tell(unit, unit.predictions.get(name), Event.AMENDED, now)
    return None


def _tell(unit: ServingUnit, final: Prediction, event: Event, now: datetime) -> None:
    unit.registry.outbox.add(NOTIFICATION, notice(final, event), now)


def _plant(unit: ServingUnit, item: Item, now: datetime) -> None:
    source = unit.reviews.gold_source(item.model) if item.plants else None
    if source is not None:
        planted = gold_item(source.item, item, now)
        unit.reviews.add(planted, unit.reviews.excluded(source))
        ask_gold(unit, planted, now)
