"""The evidence of a promotion as JSON: what it is hashed as, what is kept, what a file holds.

Most of an answer never changes after it was given. What may, the verdicts and the reviewer, is
kept at the promotion as a snapshot; both together are the log that was judged.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from registry.documents.exposure_record import exposures_record, form_of, traffic_record, until_of
from registry.domain.evidence import Arm, CheckKind, DriftMeasurement, ReviewerCheck
from registry.domain.evidence_log import EvidenceLog, LoggedAnswer, SettledTraffic
from registry.domain.evidence_table import Other, Rival, Standing
from registry.domain.exposure import ExposureTable

_AT_ONCE = 5_000  # answers that are written down at once to be hashed
Answer = list[Any]
Snapshot = Mapping[str, Any]


def canonical(document: Any) -> str:
    """The one way in which a document is written down to be hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(text: str) -> str:
    """SHA-256 of a text, with its name before it."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def log_digest(log: EvidenceLog) -> str:
    """The digest of everything in a log; the audit log refers to it.

    It is that of the canonical list of all answers, the snapshot and the exposures, hashed portion
    by portion: a million answers as one text would be many times as large as they are themselves.
    """
    seen = log.traffic
    exposures = None if seen is None else exposures_record(seen.exposures, seen.form)
    hashed = hashlib.sha256(b"[[")
    for at in range(0, len(log.answers), _AT_ONCE):
        lines = [answer_record(answer) for answer in log.answers[at : at + _AT_ONCE]]
        hashed.update(("," * bool(at) + canonical(lines)[1:-1]).encode())
    hashed.update(f"],{canonical(snapshot_record(log))},{canonical(exposures)}]".encode())
    return "sha256:" + hashed.hexdigest()


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


def snapshot_record(log: EvidenceLog) -> dict[str, Any]:
    """What may change of a log, or be added to it: which rows there were, and how they stood.

    reviewers: for each answer the place of its reviewer's name in `names`, -1 for none.
    """
    names = sorted({answer.reviewer for answer in log.answers if answer.reviewer is not None})
    places = {name: place for place, name in enumerate(names)}
    return {
        "ids": [answer.id for answer in log.answers],
        "standings": "".join(str(answer.standing.value) for answer in log.answers),
        "rivals": "".join(str(answer.rival.value) for answer in log.answers),
        **_others_record(log),
        "names": names,
        "reviewers": [places.get(answer.reviewer or "", -1) for answer in log.answers],
        "checks": [_check_record(check) for check in log.checks],
        "drift": None if log.drift is None else _drift_record(log.drift),
        "traffic": traffic_record(log.traffic),
    }


def _others_record(log: EvidenceLog) -> dict[str, str]:
    """What second reviewers said; not written down where none was to be asked."""
    others = "".join(str(answer.other.value) for answer in log.answers)
    return {"others": others} if others.strip("0") else {}


def log_of(
    answers: Mapping[int, Answer], snapshot: Snapshot, exposures: ExposureTable | None = None
) -> EvidenceLog:
    """The log that was judged, from the rows by their number; KeyError if one is missing.

    exposures: those of the stage, at least up to the moment that the snapshot names.
    """
    until = until_of(snapshot)
    traffic = None
    if until is not None and exposures is not None:
        traffic = SettledTraffic(until, exposures.until(until.timestamp()), form_of(snapshot))
    names: Sequence[str] = snapshot["names"]
    stood = (snapshot[part] for part in ("ids", "standings", "rivals", "reviewers"))
    others = snapshot.get("others") or "0" * len(snapshot["ids"])
    rows = zip(*stood, others, strict=True)
    return EvidenceLog(
        tuple(
            answer_of(
                answers[number],
                int(standing),
                int(rival),
                int(other),
                names[place] if place >= 0 else None,
            )
            for number, standing, rival, place, other in rows
        ),
        None if snapshot["drift"] is None else _drift_of(snapshot["drift"]),
        tuple(_check_of(record) for record in snapshot["checks"]),
        traffic,
    )


def pack(snapshot: Snapshot) -> bytes:
    """A snapshot as the database keeps it."""
    return zlib.compress(canonical(snapshot).encode(), 6)


def unpack(content: bytes) -> Snapshot:
    """The snapshot that was packed."""
    found: Snapshot = json.loads(zlib.decompress(content))
    return found


def _check_record(check: ReviewerCheck) -> dict[str, Any]:
    return {
        "kind": check.kind.value,
        "model": check.model,
        "item_id": check.item_id,
        "reviewer": check.reviewer,
        "agreed": check.agreed,
        "at": _text(check.at),
        "rollout_id": check.rollout_id,
        "model_was_right": check.model_was_right,
    }


def _check_of(record: Mapping[str, Any]) -> ReviewerCheck:
    return ReviewerCheck(
        **{**record, "kind": CheckKind(record["kind"]), "at": _moment(record["at"])}
    )


def _drift_record(drift: DriftMeasurement) -> dict[str, Any]:
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


def _drift_of(record: Mapping[str, Any]) -> DriftMeasurement:
    times = {name: _moment(record[name]) for name in ("window_from", "window_to", "at")}
    return DriftMeasurement(**{**record, **times})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
