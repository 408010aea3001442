"""Reviewing: take the next item, answer it once, and give the waiting caller the answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.errors import Conflict, Invalid, NotFound
from serving.domain.prediction import DecidedBy, Fallback, Label, Prediction, Status
from serving.domain.review import LEASE, Item, ItemState, Opinion, Presentation, Verdict, answer
from serving.ports import ServingUnit


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a verdict.

    answered: the held request that it answered. repeated: it had been sent before.
    """

    item: Item
    opinion: Opinion
    answered: Prediction | None = None
    repeated: bool = False

    @property
    def agrees(self) -> bool | None:
        """Whether the model had said the same; None if no model was asked, or blindly."""
        said = self.revealed
        return None if said is None else said.prediction == self.opinion.verdict.label

    @property
    def revealed(self) -> Label | None:
        """The model's answer, unless the reviewer must never know it."""
        blind = self.item.presentation is Presentation.BLIND
        return None if blind else self.item.model_answer


def next_item(
    unit: ServingUnit,
    reviewer: str,
    now: datetime,
    model: str | None = None,
    lease: timedelta = LEASE,
) -> Item | None:
    """The reviewer's own live item, else the first free one, leased."""
    mine = unit.reviews.held_by(reviewer, model, now)
    return mine or unit.reviews.claim(reviewer, model, now, now + lease)


def decide(unit: ServingUnit, verdict: Verdict, now: datetime) -> Decided:
    """Record a verdict.

    It counts unless someone else has taken the item since; then it is kept as an extra opinion
    with counted=False and changes nothing. Sending the same verdict again gives the same result.
    """
    item = unit.reviews.get(verdict.item_id)
    if earlier := unit.reviews.opinion(verdict):
        return _repeated(item, earlier, verdict)
    label = answer(item, verdict.label)
    opinion = Opinion(verdict, unit.reviews.finish(verdict, now), now)
    if not unit.reviews.add_opinion(opinion) and (earlier := unit.reviews.opinion(verdict)):
        return _repeated(item, earlier, verdict)  # the same verdict was under way elsewhere
    answered = _settle(unit, item, verdict, label, now) if opinion.counted else None
    return Decided(item, opinion, answered)


def skip(
    unit: ServingUnit, item_id: str, reviewer: str, epoch: int, reason: str, now: datetime
) -> None:
    """Pass an item on to others; Conflict if someone else has it."""
    if not unit.reviews.release(item_id, reviewer, epoch, reason, now):
        raise _taken(unit.reviews.get(item_id))


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
    if not unit.reviews.renew(item_id, reviewer, epoch, until):
        raise _taken(unit.reviews.get(item_id))
    return until


def answer_late(unit: ServingUnit, now: datetime, limit: int = 200) -> tuple[Prediction, ...]:
    """Give held requests that are past due the answer that their plan names for that case.

    The same compare-and-set as a person's verdict: the first wins, once. The item stays open,
    because its verdict still teaches. Gives the requests that this call has answered.
    """
    answered = []
    for prediction in unit.predictions.overdue(now, limit):
        nothing = Fallback(Label(None), prediction.version, DecidedBy.FALLBACK)
        if unit.predictions.settle_late(prediction, prediction.fallback or nothing, now):
            answered.append(unit.predictions.get(prediction.id))
    return tuple(answered)


def cancel(unit: ServingUnit, prediction_id: str, now: datetime) -> Prediction:
    """The caller gives up on a held request; Conflict if it has been answered.

    Its verdict still teaches, and the gates wait for it: a candidate's answer that was drawn for
    review must not be lost because the caller left.
    """
    found = unit.predictions.get(prediction_id)
    if found.status is Status.HELD:
        # Items before predictions, as a verdict does: two orders could wait for each other.
        unit.reviews.withdraw(found, now)
    if not unit.predictions.cancel(prediction_id, now):
        raise Conflict(f"Prediction {prediction_id} has been answered and cannot be cancelled.")
    return unit.predictions.get(prediction_id)


def _settle(
    unit: ServingUnit, item: Item, verdict: Verdict, label: Label, now: datetime
) -> Prediction | None:
    unit.registry.evidence.settle(item.prediction_id, verdict.label, verdict.reviewer, now)
    if not unit.predictions.settle(item.prediction_id, label, DecidedBy.HUMAN, now):
        return None
    return unit.predictions.get(item.prediction_id)


def _repeated(item: Item, earlier: Opinion, verdict: Verdict) -> Decided:
    if earlier.verdict.label != verdict.label:
        raise Invalid(
            f"The idempotency key {verdict.idempotency_key!r} was used for another verdict; "
            "send a new key with a new verdict."
        )
    return Decided(item, earlier, repeated=True)


def _taken(item: Item) -> Conflict | NotFound:
    if item.state in {ItemState.DECIDED, ItemState.CANCELLED}:
        return Conflict(f"Review item {item.id} is already {item.state}; take the next one.")
    return Conflict(f"Review item {item.id} is no longer yours; take the next one.")
