"""Everything that happened to an item, in order: who did what, when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serving.domain.opinions import Event, Opinion
from serving.domain.prediction import DecidedBy, Label, Prediction, Status
from serving.domain.review import Item, ItemState

SERVICE = "stagegate"
_IN_WORDS = frozenset({"skipped", "escalated", "comment"})  # a person's own


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    said: the label that it carries, which not everybody may see; None also for none of these, then
    `has_label` tells. is_private: the detail, too, may say what somebody thinks the answer is.
    """

    at: datetime
    actor: str
    action: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    said: str | None = None
    has_label: bool = False
    is_private: bool = False


def timeline(
    item: Item,
    opinions: Sequence[Opinion],
    events: Sequence[Event],
    prediction: Prediction | None,
) -> tuple[Entry, ...]:
    """Oldest first; prediction: the request that it is about, None for gold items."""
    entries = [
        _asked(item),
        *(_event(one) for one in events),
        *(_answered(one) for one in opinions),
        *_settled(item),
        *(_told(prediction) if prediction and prediction.due_at else ()),
    ]
    return tuple(sorted(entries, key=lambda entry: entry.at))  # stable: as listed at one moment


def _asked(item: Item) -> Entry:
    detail = {
        "reasons": [reason.reason for reason in item.reasons],
        "queue": item.queue.value,
        "presentation": item.presentation.value,
        "due_at": item.due_at.isoformat() if item.due_at else None,
        "inclusion_probability": item.inclusion_probability,
        "random_number": item.random_number if item.is_final else None,  # it tells gold from audit
    }
    return Entry(item.created_at, SERVICE, "asked", detail)


def _event(one: Event) -> Entry:
    private = one.action in _IN_WORDS
    return Entry(one.at, one.actor, one.action, one.detail, is_private=private)


def _answered(one: Opinion) -> Entry:
    action = "answered" if one.supersedes is None else "corrected"
    words = {"comment": one.comment} if one.comment else {}
    how = {"opinion": one.slot, "informed": one.informed, "seconds": one.seconds}
    if not one.counted:
        action = "answered too late, kept as an extra opinion"
    private = bool(words)
    detail = {**how, **words}
    return Entry(
        one.decided_at, one.reviewer, action, detail, one.label, has_label=True, is_private=private
    )


def _settled(item: Item) -> Iterator[Entry]:
    if item.decided_at is None:
        return
    if item.state is ItemState.CANCELLED:
        yield Entry(item.decided_at, SERVICE, "cancelled")
    elif item.outcome is not None:
        source = {"source": item.source.value} if item.source else {}
        yield _label(item.decided_at, SERVICE, "settled", item.outcome, source)


def _told(prediction: Prediction) -> Iterator[Entry]:
    """What the caller heard, and when."""
    if prediction.final_at is not None:
        if prediction.status is Status.CANCELLED:
            yield Entry(prediction.final_at, "caller", "gave up")
        elif prediction.decided_by is DecidedBy.HUMAN:
            yield Entry(prediction.final_at, SERVICE, "answered the caller")
        elif prediction.answer is not None:
            whose = {"decided_by": prediction.decided_by.value if prediction.decided_by else None}
            yield _fallback(prediction.final_at, prediction.answer, whose)
    if prediction.amended is not None and prediction.amended_at is not None:
        action = "amended what the caller was told"
        yield _label(prediction.amended_at, SERVICE, action, prediction.amended, {})


def _fallback(at: datetime, label: Label, whose: Mapping[str, Any]) -> Entry:
    """What the deadline told the caller; without a label that is no answer."""
    if label.prediction is None:
        return Entry(at, "the deadline", "told the caller that there is no answer", whose)
    return _label(at, "the deadline", "gave the caller the fallback", label, whose)


def _label(at: datetime, actor: str, action: str, label: Label, detail: Mapping[str, Any]) -> Entry:
    return Entry(at, actor, action, detail, label.prediction, has_label=True)
