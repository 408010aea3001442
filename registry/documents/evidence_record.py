"""The parts of the evidence of a promotion as JSON, and the one way in which JSON is hashed."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from registry.domain.evidence import Arm, CheckKind, DriftMeasurement, ReviewerCheck
from registry.domain.evidence_log import LoggedAnswer
from registry.domain.evidence_table import Other, Rival, Standing

Answer = list[Any]


def canonical(document: Any) -> str:
    """The one way in which a document is written down to be hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(text: str) -> str:
    """SHA-256 of a text, with its name before it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def answer_record(answer: LoggedAnswer) -> Answer:
    """What never changes of an answer, in the order of `answer_of`."""
    epoch = [answer.epoch] if answer.epoch else []  # not written down before there were any
    return [
        answer.id,
        answer.prediction_id,
        answer.step,
        answer.model_label,
        answer.baseline_label,
        answer.chance,
        dict(answer.segments),
        _text(answer.created_at),
        None if answer.due_at is None else _text(answer.due_at),
        answer.arm.value,
        answer.drawn,
        answer.unit,
        *epoch,
    ]


def answer_of(
    record: Answer, standing: int, rival: int, other: int, reviewer: str | None
) -> LoggedAnswer:
    """The answer that `answer_record` described, as it stood."""
    number, prediction, step, model, baseline, chance, segments, created, due, *who = record
    arm, drawn, unit, *epoch = who
    return LoggedAnswer(
        id=number,
        prediction_id=prediction,
        step=step,
        model_label=model,
        baseline_label=baseline,
        chance=chance,
        segments=segments,
        created_at=_moment(created),
        due_at=None if due is None else _moment(due),
        standing=Standing(standing),
        rival=Rival(rival),
        arm=Arm(arm),
        drawn=drawn,
        unit=unit,
        epoch=epoch[0] if epoch else 0,
        reviewer=reviewer,
        other=Other(other),
    )


def check_record(check: ReviewerCheck) -> dict[str, Any]:
    """A check of a reviewer; what waits is written down where it was asked for."""
    due = None if check.due_at is None else _text(check.due_at)
    asked = {"waiting": check.waiting, "due_at": due} if check.waiting or due else {}
    return {
        "kind": check.kind.value,
        "model": check.model,
        "item_id": check.item_id,
        "reviewer": check.reviewer,
        "agreed": check.agreed,
        "at": _text(check.at),
        "rollout_id": check.rollout_id,
        "model_was_right": check.model_was_right,
        **asked,
    }


def check_of(record: Mapping[str, Any]) -> ReviewerCheck:
    """The check that `check_record` described."""
    due = record.get("due_at")
    read = {
        "kind": CheckKind(record["kind"]),
        "at": _moment(record["at"]),
        "due_at": None if due is None else _moment(due),
    }
    return ReviewerCheck(**{**record, **read})


def drift_record(drift: DriftMeasurement) -> dict[str, Any]:
    """A measurement of drift."""
    return {
        "model": drift.model,
        "version": drift.version,
        "window_from": _text(drift.window_from),
        "window_to": _text(drift.window_to),
        "rows": drift.rows,
        "alarm": drift.alarm,
        "sentence": drift.sentence,
        "detail": dict(drift.detail),
        "at": _text(drift.at),
    }


def drift_of(record: Mapping[str, Any]) -> DriftMeasurement:
    """The measurement that `drift_record` described."""
    times = {name: _moment(record[name]) for name in ("window_from", "window_to", "at")}
    return DriftMeasurement(**{**record, **times})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
