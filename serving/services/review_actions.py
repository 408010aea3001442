"""What a reviewer can do with an item besides answering it, and what only a lead can."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from registry.domain.errors import Conflict, Forbidden, Invalid, NotFound
from serving.domain.opinions import BULK_AT_MOST, Event, Passing, Verdict
from serving.domain.review import LEASE, ItemState, Queue, SlotState, Task
from serving.ports import ServingUnit
from serving.services.review import NO_WINDOW, Decided, decide, hand_over, undo

SNOOZE_AT_MOST = timedelta(days=30)


def skip(unit: ServingUnit, sent: Passing, now: datetime) -> None:
    """Pass an item on to others; Conflict if someone else has it.

    Sending the same again gives the same result, as it does for `escalate` and `snooze`.
    """
    _pass_on(unit, sent, "skipped", now)


def escalate(unit: ServingUnit, sent: Passing, now: datetime) -> None:
    """Pass an item on to a lead, whose answer settles it; Conflict if someone else has it."""
    _pass_on(unit, sent, "escalated", now, Queue.LEAD)


def snooze(unit: ServingUnit, sent: Passing, until: datetime, now: datetime) -> datetime:
    """Put an item aside for everybody until a moment; Conflict if someone else has it.

    Gives the moment at which it comes back: sent again, the one that was sent first.
    """
    task = unit.reviews.get(sent.item_id)
    if earlier := unit.review_log.note_once(sent, "snoozed", now, until=until.isoformat()):
        return datetime.fromisoformat(earlier.detail["until"])
    if not now < until <= now + SNOOZE_AT_MOST:
        raise Invalid(
            f"until {until.isoformat()} is not within the next {SNOOZE_AT_MOST.days} days"
        )
    if not unit.reviews.keep(sent.item_id, sent.reviewer, sent.epoch, SlotState.SNOOZED, until):
        raise _taken(task)
    return until


def comment(unit: ServingUnit, sent: Passing, now: datetime) -> None:
    """Say something about an item, once; kept as it is."""
    unit.reviews.get(sent.item_id)
    earlier = unit.review_log.note_once(sent, "comment", now, text=sent.reason)
    _check_words(earlier, "text", sent)


def renew(
    unit: ServingUnit,
    item_id: str,
    reviewer: str,
    epoch: int,
    now: datetime,
    lease: timedelta = LEASE,
) -> datetime:
    """Keep an item longer; gives the new end, or Conflict if someone else has it."""
    until = now + lease
    if not unit.reviews.keep(item_id, reviewer, epoch, SlotState.LEASED, until):
        raise _taken(unit.reviews.get(item_id))
    return until


def release(unit: ServingUnit, sent: Passing, now: datetime, *, lead: bool = True) -> Task:
    """End a claim: one's own, or as a lead anybody's; its answer counts until the item is taken.

    Sent again it is the same, and takes nothing from whoever has claimed the item since.
    """
    task = unit.reviews.get(sent.item_id)
    slot, ready = task.slot, SlotState.READY
    earlier = unit.review_log.note_once(sent, "released", now, holder=slot.holder)
    if earlier is None and not lead and slot.holder != sent.reviewer:
        raise Forbidden(
            f"{sent.reviewer} does not have review item {sent.item_id}; whoever has it, or a lead, "
            "frees it."
        )
    held = slot.epoch == sent.epoch and slot.state in {SlotState.LEASED, SlotState.SNOOZED}
    freed = held and unit.reviews.keep(sent.item_id, slot.holder or "", sent.epoch, ready, None)
    if earlier is None and not freed:
        raise Conflict(
            f"Nobody has review item {sent.item_id} under claim {sent.epoch}; it is {task.state}."
        )
    return unit.reviews.get(sent.item_id)


def adjudicate(
    unit: ServingUnit, verdict: Verdict, now: datetime, window: timedelta = NO_WINDOW
) -> Decided:
    """A lead's own answer to a disputed item, taken from the list instead of the queue."""
    task = unit.reviews.get(verdict.item_id)
    if unit.review_log.sent_before(verdict):
        return decide(unit, verdict, now, window)
    if task.item.state is not ItemState.OPEN or task.slot.queue is not Queue.LEAD:
        raise Conflict(f"Review item {task.item.id} waits for no lead; it is {task.state}.")
    if verdict.reviewer in unit.reviews.excluded(task):
        raise Forbidden(
            f"{verdict.reviewer} has had a say in review item {task.item.id}; another lead judges."
        )
    taken = unit.reviews.take(task, verdict.reviewer, now, now + LEASE)
    if taken is None:
        if unit.review_log.sent_before(verdict):  # it was under way elsewhere
            return decide(unit, verdict, now, window)
        raise Conflict(f"{task.slot.holder} has review item {task.item.id} before them now.")
    hand_over(unit, taken, now)
    return decide(unit, replace(verdict, epoch=taken.slot.epoch), now, window)


def grid(
    unit: ServingUnit,
    item_id: str,
    reviewer: str,
    epoch: int,
    now: datetime,
    lease: timedelta = LEASE,
) -> tuple[Task, ...]:
    """The reviewer's item with others that look alike, all leased, for one answer to them all.

    Those that they have already come first: asking again gives the same ones.
    """
    task = unit.reviews.get(item_id)
    if (task.slot.holder, task.slot.epoch) != (reviewer, epoch):
        raise _taken(task)
    if task.item.likeness is None:
        raise Invalid(
            f"Review item {item_id} cannot be answered together with others: only items drawn to "
            "show the model's answer can, and never those for audit."
        )
    if unit.bias.fallen_back(task.item.model):
        raise Invalid(
            f"No answers of {task.item.model} are given together for now: reviewers followed the "
            "model's answer too often when they saw it before their own."
        )
    mine = unit.reviews.held_like(task.item, reviewer, now, BULK_AT_MOST - 1)
    room = BULK_AT_MOST - 1 - len(mine)
    more = unit.reviews.claim_like(task.item, reviewer, now, now + lease, room)
    return (task, *mine, *(hand_over(unit, one, now) for one in more))


def decide_bulk(
    unit: ServingUnit, verdicts: Sequence[Verdict], now: datetime, window: timedelta = NO_WINDOW
) -> tuple[Decided, ...]:
    """One answer to items that look alike: all of them, or none if one is no longer theirs."""
    if not 0 < len(verdicts) <= BULK_AT_MOST:
        raise Invalid(f"answer 1 to {BULK_AT_MOST} items at one stroke, not {len(verdicts)}")
    tasks = [unit.reviews.get(verdict.item_id) for verdict in verdicts]
    alike = {task.item.likeness for task in tasks}
    if len(alike) > 1 or None in alike:
        raise Invalid(
            "these items do not look alike: the same version, model's answer and reasons, all "
            "drawn to show that answer, none for audit"
        )
    # In one order whoever asks, so that two of these cannot wait for each other.
    ordered = sorted(verdicts, key=lambda verdict: verdict.item_id)
    decided = {verdict.item_id: decide(unit, verdict, now, window) for verdict in ordered}
    results = tuple(decided[verdict.item_id] for verdict in verdicts)
    lost = [result.task.item.id for result in results if not result.opinion.counted]
    if lost:
        raise Conflict(f"someone else has taken {', '.join(lost)}; nothing was answered")
    return results


def undo_bulk(unit: ServingUnit, name: str, reviewer: str, now: datetime) -> tuple[Task, ...]:
    """Take back all answers that were given at one stroke, or none if one is final."""
    given = unit.review_log.bulk(name, reviewer)
    if not given:
        raise NotFound(f"{reviewer} has given no answers under {name!r}.")
    return tuple(undo(unit, one.item_id, reviewer, one.epoch, now) for one in given)


def _pass_on(
    unit: ServingUnit, sent: Passing, action: str, now: datetime, queue: Queue | None = None
) -> None:
    """Noted first: whoever sends the same meanwhile waits for it, and finds it done or undone."""
    task = unit.reviews.get(sent.item_id)
    if earlier := unit.review_log.note_once(sent, action, now, reason=sent.reason):
        _check_words(earlier, "reason", sent)
    elif not unit.reviews.pass_on(task, sent.reviewer, sent.epoch, queue or task.slot.queue):
        raise _taken(task)


def _check_words(earlier: Event | None, name: str, sent: Passing) -> None:
    if earlier and earlier.detail[name] != sent.reason:
        raise Invalid(
            f"The idempotency key {sent.idempotency_key!r} was used with another {name}; "
            f"send a new key with a new {name}."
        )


def _taken(task: Task) -> Conflict:
    if task.item.state is not ItemState.OPEN:
        return Conflict(f"Review item {task.item.id} is already {task.item.state}; take the next.")
    return Conflict(f"Review item {task.item.id} is no longer yours; take the next one.")
