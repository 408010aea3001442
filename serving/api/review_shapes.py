"""Review items as the JSON of the contract: what a reviewer may see, and not a word more."""

from datetime import datetime
from typing import Any

from serving.adapters.rows import flags_out, label_out
from serving.domain.review import ItemState, Presentation, SlotState, Task
from serving.services.review import Decided


def item(task: Task, waiting: int, who: str) -> dict[str, Any]:
    """What a reviewer is shown.

    The model's answer only where they may see it: others may still be asked without it. A blind
    item does not tell its prediction either: whoever knows that can look up what the model said,
    and tell gold from audit.
    """
    found, slot = task.item, task.slot
    blind = task.presentation is Presentation.BLIND
    told = not blind and task.informed and (found.is_final or slot.holder == who)
    return {
        "id": found.id,
        "prediction_id": None if blind else found.prediction_id,
        "model": found.model,
        "version": found.version,
        "stage": found.stage.value,
        "reasons": flags_out(found.reasons),
        "labels": list(found.labels),
        "several": found.several,
        "presentation": task.presentation.value,
        "model_answer": label_out(found.model_answer) if told else None,
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
    blind = result.presentation is Presentation.BLIND
    return {
        "id": found.id,
        "prediction_id": None if blind else found.prediction_id,
        "status": "decided",
        "epoch": result.opinion.epoch,
        "counted": result.opinion.counted,
        "label": result.opinion.label,
        "several": found.several,
        "labels": list(found.labels),
        "informed": result.opinion.informed,
        "model_answer": label_out(result.revealed),
        "agrees": result.agrees,
        "undo_until": moment(result.undo_until),
    }


def moment(at: datetime | None) -> str | None:
    """A moment as text."""
    return at.isoformat() if at else None
