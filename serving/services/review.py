"""Reviewing: take the next item, answer it, agree with the model, or take the answer back."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from registry.domain.errors import Conflict, Invalid
from registry.domain.people import Identity
from serving.domain.opinions import Opinion, Passing, Verdict
from serving.domain.prediction import Label, Prediction
from serving.domain.review import (
    LEASE,
    Item,
    ItemState,
    Presentation,
    Task,
    answer,
    closes_at,
    presented,
    queues,
)
from serving.ports import ServingUnit
from serving.services.bias import as_it_may_be_shown
from serving.services.settle import close

NO_WINDOW = timedelta(0)
_TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a verdict.

    answered: the held request that it answered at once. repeated: it had been sent before.
    undo_until: until then it can be taken back or corrected.
    """

    task: Task
    opinion: Opinion
    answered: Prediction | None = None
    repeated: bool = False
    undo_until: datetime | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether the model had said the same; None if no model was asked, or blindly."""
        said = self.revealed
        return None if said is None else said.prediction == self.opinion.label

    @property
    def revealed(self) -> Label | None:
        """The model's answer, unless the reviewer must never know it."""
        return None if self.presentation is Presentation.BLIND else self.task.item.model_answer

    @property
    def presentation(self) -> Presentation:
        """How it was shown to whoever gave it; by now somebody else may be asked otherwise."""
        return _presented(self.task.item, self.opinion)


def next_item(
    unit: ServingUnit,
    who: Identity,
    now: datetime,
    model: str | None = None,
    besides: str | None = None,
    lease: timedelta = LEASE,
    draw: float = 1.0,
) -> Task | None:
    """The reviewer's own live item, else the first free one, leased.

    `besides`: the item that they have before them, to have the next one ready; two at most.
    `draw`: a random number that says whether it is the audit queue's turn.
    """
    if mine := unit.reviews.held_by(who.name, model, now, besides):
        return mine
    unit.reviews.reap(now)  # the controller does so too, unless it has just died
    for queue in queues(who, draw):
        if found := unit.reviews.claim(who.name, model, queue, now, now + lease):
            return hand_over(unit, as_it_may_be_shown(unit, found, now), now)
    return None


def hand_over(unit: ServingUnit, task: Task, now: datetime) -> Task:
    """A new claim: who gets to see the item from now on, how, and until when."""
    slot = task.slot
    until = slot.free_at.isoformat() if slot.free_at else None
    how = {"presentation": task.presentation.value, "epoch": slot.epoch, "until": until}
    unit.review_log.note(task.item.id, slot.holder or "", _TAKEN, now, **how)
    return task


def decide(
    unit: ServingUnit, verdict: Verdict, now: datetime, window: timedelta = NO_WINDOW
) -> Decided:
    """Record a verdict.

    It counts unless someone else has taken the item since; then it is kept as an extra opinion
    with counted=False and changes nothing. Sending the same verdict again gives the same result.
    Conflict, and nothing is kept, if the reviewer never had the item under this claim.
    """
    task = unit.reviews.get(verdict.item_id)
    verdict = replace(verdict, label=answer(task.item, verdict.label).prediction)
    if earlier := unit.review_log.sent_before(verdict):
        return _repeated(task, earlier, verdict)
    if verdict.revises:
        return _revise(unit, task, verdict, now, window)
    slot = unit.reviews.finish(verdict.item_id, verdict.reviewer, verdict.epoch)
    if slot is None:
        return _extra(unit, task, verdict, now)
    task = replace(task, slot=slot)
    opinion = unit.review_log.add(verdict, task, now, counted=True)
    if opinion is None:  # finished under this very key, and then taken back
        raise Invalid(_reused(verdict))
    end = now if verdict.final else closes_at(task.item, now, window)
    informed = task.informed or task.presentation is Presentation.ANSWER_FIRST
    unit.reviews.answered(slot, opinion.id, end, informed=informed)
    return _closed(unit, task, opinion, now, end)


def agree(
    unit: ServingUnit,
    item_id: str,
    reviewer: str,
    epoch: int,
    key: str,
    now: datetime,
    window: timedelta = NO_WINDOW,
    *,
    final: bool = False,
    page: str | None = None,
) -> Decided:
    """Give the model's answer, which the reviewer has seen, as one's own."""
    task = unit.reviews.get(item_id)
    item, slot = task.item, task.slot
    label, revises = item.model_answer, item.state is ItemState.CLOSING
    said = label.prediction if label else None
    verdict = Verdict(
        item_id, reviewer, epoch, said, "", key, revises=revises, final=final, page=page
    )
    earlier = unit.review_log.sent_before(verdict)
    how = _presented(item, earlier) if earlier else task.presentation
    if how is Presentation.BLIND or label is None:
        raise Invalid(f"Review item {item_id} shows no answer of a model; give a label.")
    mine = (slot.holder, slot.epoch) == (reviewer, epoch)
    if not earlier and not (mine and task.informed):
        raise Invalid(f"Give your own answer to review item {item_id} first, then agree.")
    return decide(unit, verdict, now, window)


def undo(
    unit: ServingUnit,
    item_id: str,
    reviewer: str,
    epoch: int,
    now: datetime,
    lease: timedelta = LEASE,
) -> Task:
    """Take one's answer back while nobody has heard it; the item is the reviewer's again.

    An answer to a claim can be taken back once: sent again, this gives the item as it stands.
    """
    task = unit.reviews.get(item_id)
    sent = Passing(item_id, reviewer, epoch, idempotency_key="")
    if unit.review_log.note_once(sent, "undone", now, decision=task.slot.decision_id):
        return unit.reviews.get(item_id)
    if (task.slot.holder, task.slot.epoch) != (reviewer, epoch):
        raise Conflict(f"The last answer to review item {item_id} is not yours to undo.")
    if not unit.reviews.reopen(task, now, now + lease):
        raise Conflict(f"The time to undo the answer to review item {item_id} is over.")
    return unit.reviews.get(item_id)


def _revise(
    unit: ServingUnit, task: Task, verdict: Verdict, now: datetime, window: timedelta
) -> Decided:
    mine = (task.slot.holder, task.slot.epoch) == (verdict.reviewer, verdict.epoch)
    end = now if verdict.final else closes_at(task.item, now, window)
    if not mine or not unit.reviews.revise(task.item.id, now, end):
        raise Conflict(
            f"Your answer to review item {verdict.item_id} cannot be corrected any more; "
            "take the next item."
        )
    opinion = unit.review_log.add(verdict, task, now, counted=True)
    if opinion is None:
        raise Invalid(_reused(verdict))
    unit.reviews.answered(task.slot, opinion.id, end, informed=task.slot.informed)
    return _closed(unit, task, opinion, now, end)


def _closed(
    unit: ServingUnit, task: Task, opinion: Opinion, now: datetime, end: datetime
) -> Decided:
    if end > now:
        return Decided(task, opinion, undo_until=end)
    return Decided(task, opinion, close(unit, task.item.id, now))


def _extra(unit: ServingUnit, task: Task, verdict: Verdict, now: datetime) -> Decided:
    """Kept, and counted for nothing; whoever gave it has had their say in this item."""
    if not _had(unit, verdict):
        raise Conflict(
            f"You have not taken review item {verdict.item_id} under claim {verdict.epoch}, so "
            "nothing was answered; take an item first (`stagegate review next`, or "
            "GET /v1/review/next) and answer with the epoch that comes with it."
        )
    opinion = unit.review_log.add(verdict, task, now, counted=False)
    if opinion is not None:
        unit.reviews.shut_out(task, verdict.reviewer)
        return Decided(task, opinion)
    earlier = unit.review_log.sent_before(verdict)
    if earlier is None:
        raise Invalid(_reused(verdict))
    return _repeated(task, earlier, verdict)  # the same verdict was under way elsewhere


def _had(unit: ServingUnit, verdict: Verdict) -> bool:
    """Whether this very claim was once the reviewer's."""
    return any(
        event.action == _TAKEN
        and (event.actor, event.detail["epoch"]) == (verdict.reviewer, verdict.epoch)
        for event in unit.review_log.events(verdict.item_id)
    )


def _repeated(task: Task, earlier: Opinion, verdict: Verdict) -> Decided:
    if earlier.label != verdict.label:
        raise Invalid(_reused(verdict))
    closing = task.item.state is ItemState.CLOSING
    until = task.item.closes_at if closing and task.slot.decision_id == earlier.id else None
    return Decided(task, earlier, repeated=True, undo_until=until)


def _presented(item: Item, opinion: Opinion) -> Presentation:
    return presented(item.presentation, opinion.slot, opinion.queue)


def _reused(verdict: Verdict) -> str:
    return (
        f"The idempotency key {verdict.idempotency_key!r} was used for another verdict; "
        "send a new key with a new verdict."
    )
