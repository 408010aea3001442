"""Review items as the JSON of the contract: what a reviewer may see, and not a word more."""

from datetime import datetime
from typing import Any

from registry.domain.people import Identity
from serving.adapters.rows import flags_out, label_out
from serving.domain.opinions import Event, Opinion
from serving.domain.review import ItemState, Presentation, Queue, SlotState, Task
from serving.services.review import Decided

_FINAL = (ItemState.DECIDED, ItemState.CANCELLED)


def item(task: Task, waiting: int) -> dict[str, Any]:
    """What a reviewer is shown.

    The model's answer only where they may see it. A blind item does not tell its prediction
    either: whoever knows that can look up what the model said, and tell gold from audit.
    """
    found, slot = task.item, task.slot
    blind = task.presentation is Presentation.BLIND
    return {
        "id": found.id,
        "prediction_id": None if blind else found.prediction_id,
        "model": found.model,
        "version": found.version,
        "stage": found.stage.value,
        "reasons": flags_out(found.reasons),
        "labels": list(found.labels),
        "presentation": task.presentation.value,
        "model_answer": label_out(found.model_answer) if not blind and task.informed else None,
        "payload_url": f"/v1/review/{found.id}/payload",
        "payload_type": found.payload_type,
        "queue": slot.queue.value,
        "state": str(task.state),
        "holder": slot.holder,
        "epoch": slot.epoch,
        "lease_until": moment(slot.free_at if slot.state is SlotState.LEASED else None),
        "snoozed_until": moment(slot.free_at if slot.state is SlotState.SNOOZED else None),
        "undo_until": moment(found.closes_at if found.state is ItemState.CLOSING else None),
        "due_at": moment(found.due_at),
        "waiting_since": moment(found.created_at),
        "open": waiting,
    }


def decided(result: Decided) -> dict[str, Any]:
    """What became of a verdict, with the model's answer unless the item was blind."""
    found = result.task.item
    blind = result.task.presentation is Presentation.BLIND
    return {
        "id": found.id,
        "prediction_id": None if blind else found.prediction_id,
        "status": "decided",
        "epoch": result.opinion.epoch,
        "counted": result.opinion.counted,
        "label": result.opinion.label,
        "informed": result.opinion.informed,
        "model_answer": label_out(result.revealed),
        "agrees": result.agrees,
        "undo_until": moment(result.undo_until),
    }


def history(
    task: Task, opinions: tuple[Opinion, ...], events: tuple[Event, ...], who: Identity,
    excluded: frozenset[str],
) -> dict[str, Any]:  # fmt: skip
    """Everything that happened to an item; what others said only to whom it cannot sway."""
    found = task.item
    final = found.state in _FINAL
    told = final or who.name in excluded or (who.lead and task.slot.queue is Queue.LEAD)
    gold = {"of": found.gold.of, "truth": label_out(found.gold.truth)} if found.gold else None
    return {
        **item(task, 0),
        "opinions_required": found.opinions if told else None,
        "random_number": found.random_number,
        "inclusion_probability": found.inclusion_probability,
        "outcome": label_out(found.outcome),
        "source": found.source,
        "decided_at": moment(found.decided_at),
        "gold": gold if final and who.lead else None,
        "model_answer": label_out(found.model_answer) if told else None,
        "decisions": [_opinion(one, told or one.reviewer == who.name) for one in opinions],
        "events": [
            {"at": moment(one.at), "actor": one.actor, "action": one.action, **_detail(one, told)}
            for one in events
        ],
    }


def moment(at: datetime | None) -> str | None:
    """A moment as text."""
    return at.isoformat() if at else None


def _opinion(one: Opinion, told: bool) -> dict[str, Any]:
    said = {"label": one.label, "comment": one.comment} if told else {}
    return {
        "id": one.id,
        "slot": one.slot,
        "queue": one.queue.value,
        "reviewer": one.reviewer,
        **said,
        "counted": one.counted,
        "informed": one.informed,
        "supersedes": one.supersedes,
        "bulk": one.bulk,
        "seconds": one.seconds,
        "seen": one.seen,
        "decided_at": moment(one.decided_at),
    }


def _detail(one: Event, told: bool) -> dict[str, Any]:
    """A comment may say what somebody thinks the answer is."""
    return {"detail": dict(one.detail) if told else {}}
