"""Predictions and review items as the JSON of the contract."""

from datetime import datetime
from math import ceil
from typing import Any

from serving.adapters.rows import flags_out, label_out
from serving.domain.prediction import Prediction, Status
from serving.domain.review import Item, Presentation
from serving.services.review import Decided

RETRY_AFTER_AT_MOST = 30


def prediction(found: Prediction) -> dict[str, Any]:
    """A final response, or one that says what a held request waits for and no label."""
    if found.status is not Status.FINAL:
        return _without_answer(found)
    answer = label_out(found.answer) or {}
    return {
        "id": found.id,
        "status": found.status.value,
        "model": found.model,
        "version": found.version,
        "stage": found.stage.value,
        **answer,
        "decided_by": found.decided_by,
        "flags": flags_out(found.flags),
        "out_of_domain": {"p_value": found.p_value, "threshold": found.threshold},
        "reason": found.reason,
        "review_probability": found.inclusion_probability,
    }


def retry_after(found: Prediction, now: datetime) -> int:
    """Seconds until it is worth asking again."""
    if found.due_at is None:
        return 1
    left = (found.due_at - now).total_seconds()
    return max(1, min(RETRY_AFTER_AT_MOST, ceil(left / 10)))


def item(found: Item, waiting: int) -> dict[str, Any]:
    """What a reviewer is shown; the model's answer only where they may see it first."""
    shown = found.presentation is Presentation.SHOWN
    said = label_out(found.model_answer)
    return {
        "id": found.id,
        "prediction_id": found.prediction_id,
        "model": found.model,
        "version": found.version,
        "stage": found.stage.value,
        "reasons": flags_out(found.reasons),
        "labels": list(found.labels),
        "presentation": found.presentation.value,
        "model_answer": said if shown else None,
        "payload_url": f"/v1/predictions/{found.prediction_id}/payload",
        "state": found.state.value,
        "holder": found.holder,
        "epoch": found.epoch,
        "lease_until": _moment(found.lease_until),
        "due_at": _moment(found.due_at),
        "waiting_since": _moment(found.created_at),
        "open": waiting,
    }


def decided(result: Decided) -> dict[str, Any]:
    """What became of a verdict, with the model's answer unless the item was blind."""
    return {
        "id": result.item.id,
        "prediction_id": result.item.prediction_id,
        "status": "decided",
        "counted": result.opinion.counted,
        "label": result.opinion.verdict.label,
        "model_answer": label_out(result.revealed),
        "agrees": result.agrees,
    }


def _without_answer(found: Prediction) -> dict[str, Any]:
    return {
        "id": found.id,
        "status": found.status.value,
        "model": found.model,
        "flags": flags_out(found.flags),
        "due": _moment(found.due_at),
        "late": found.late,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
