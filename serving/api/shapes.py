"""Predictions and review items as the JSON of the contract."""

from datetime import datetime
from math import ceil
from typing import Any

from registry.domain.several import apart
from serving.adapters.rows import flags_out, label_out
from serving.domain.prediction import Label, Prediction, Status

RETRY_AFTER_AT_MOST = 30


def prediction(found: Prediction) -> dict[str, Any]:
    """A final response, or one that says what a held request waits for and no label."""
    if found.status is not Status.FINAL:
        return _without_answer(found)
    answer = told(found.answer) if found.answer else {}
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
        **_amended(found),
    }


def told(label: Label) -> dict[str, Any]:
    """An answer as a caller gets it: of several labels a list, as fastai's predict gives one."""
    answer = label_out(label) or {}
    if isinstance(label.index, tuple) and label.prediction is not None:
        return {**answer, "prediction": list(apart(label.prediction))}
    return answer


def retry_after(found: Prediction, now: datetime) -> int:
    """Seconds until it is worth asking again."""
    if found.due_at is None:
        return 1
    left = (found.due_at - now).total_seconds()
    return max(1, min(RETRY_AFTER_AT_MOST, ceil(left / 10)))


def _amended(found: Prediction) -> dict[str, Any]:
    if found.amended is None or found.amended_at is None:
        return {}
    said = {key: told(found.amended)[key] for key in ("prediction", "index")}
    return {"amended": {**said, "decided_by": "human", "at": found.amended_at.isoformat()}}


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
