"""What a person is asked, in which order, and how they are shown it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from registry.domain.errors import Invalid
from registry.domain.plan import Review
from registry.domain.stages import Stage
from serving.domain.prediction import Code, Flag, Label

LEASE = timedelta(minutes=10)
# Audit items come after everything that somebody waits for, in the order of their random number,
# so that those worked off are at any moment a random sample.
_AUDIT = 1e11
_WAITING = timedelta(days=1)
_HELD = timedelta(hours=6)
_FLAGGED = timedelta(hours=1)


class ItemState(StrEnum):
    """Where an item stands."""

    READY = "ready"
    LEASED = "leased"
    DECIDED = "decided"
    CANCELLED = "cancelled"


class Presentation(StrEnum):
    """When a reviewer sees the model's answer: never, after their own, or from the start."""

    BLIND = "blind"
    ANSWER_FIRST = "answer-first"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Item:
    """A question to a person. `epoch` grows with every new claim and fences off older holders."""

    id: str
    prediction_id: str
    model: str
    version: int | None
    stage: Stage
    reasons: tuple[Flag, ...]
    labels: tuple[str, ...]
    model_answer: Label | None
    presentation: Presentation
    sort_key: float
    state: ItemState
    holder: str | None
    epoch: int
    lease_until: datetime | None
    due_at: datetime | None
    created_at: datetime
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer answered, as sent; a label of None means none of these."""

    item_id: str
    reviewer: str
    epoch: int
    label: str | None
    comment: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict as stored; it counts unless someone else had taken the item."""

    verdict: Verdict
    counted: bool
    decided_at: datetime


def presentation(review: Review, draw: float) -> Presentation:
    """Blind for the plan's share, else the model's answer after the reviewer's own."""
    return Presentation.BLIND if draw < review.blind else Presentation.ANSWER_FIRST


def sort_key(
    reasons: Sequence[Flag], due: datetime, random_number: float, *, held: bool, waiting: bool
) -> float:
    """Small comes first: due time, moved forward by how much depends on the answer."""
    if not held and all(r.code is Code.AUDIT for r in reasons):
        return audit_key(random_number)
    boost = _WAITING if waiting else _HELD if held else _FLAGGED
    return (due - boost).timestamp()


def audit_key(random_number: float) -> float:
    """The place of an item that nobody waits for."""
    return _AUDIT + random_number


def answer(item: Item, label: str | None) -> Label:
    """A person's answer; Invalid if the model has no such label."""
    if label is None:
        return Label(None)
    if label not in item.labels:
        known = ", ".join(item.labels)
        raise Invalid(f"{item.model} has no label {label!r}; its labels: {known}, or null for none")
    return Label(label, item.labels.index(label))
