"""A certificate as one JSON document, and back; nothing in the file goes unread."""

import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from registry.documents.evidence_record import (
    answer_record,
    canonical,
    digest_of,
    log_digest,
    log_of,
    snapshot_record,
)
from registry.documents.exposure_record import exposures_of, exposures_record
from registry.documents.plan_record import plan_digest, plan_document, plan_from_document
from registry.documents.rollout_document import event_document
from registry.domain.certificate import judge_again
from registry.domain.evidence import AuditEvent, AuditHead
from registry.domain.evidence_log import EvidenceLog
from registry.domain.retrace import Broken, Certificate, Elided
from registry.domain.stages import Stage

FORMAT = "stagegate/certificate/v1"
_LARGE = 1_000_000  # bytes; beyond this a file is compressed
_GZIP = b"\x1f\x8b"

Document = Mapping[str, Any]


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """The document; `digest` covers everything else in it."""
    body = {
        "format": FORMAT,
        "rollout": _header(certificate),
        "plan": plan_document(certificate.plan),
        "audit": {
            "before": certificate.before,
            "events": [_event_record(event) for event in certificate.events],
            "head": {"sequence": certificate.head.sequence, "hash": certificate.head.hash},
        },
        "answers": _answers(certificate),
        "exposures": _exposures(certificate),
        "promotions": [
            {"sequence": number, **snapshot_record(log)}
            for number, log in sorted(certificate.logs.items())
        ],
    }
    return {**body, "digest": digest_of(canonical(body))}


def certificate_of(document: Document) -> Certificate:
    """What the document says; Broken if it is none, was edited, or holds anything else besides."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise Broken(f"this is no certificate of the format {FORMAT}")
    try:
        body = {name: part for name, part in document.items() if name != "digest"}
        if digest_of(canonical(body)) != document["digest"]:
            raise Broken("the file was changed after it was made: its digest does not fit")
        found = _read(document)
        again = certificate_document(found)
        judge_again(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise Broken(f"the file does not have the parts of a certificate: {error!r}") from error
    for name in document:
        if canonical(again.get(name)) != canonical(document[name]):
            raise Broken(f"the part `{name}` of the file does not agree with the others")
    return found


def file_bytes(document: Document) -> bytes:
    """The file: canonical JSON, compressed if it is large; the same document, the same bytes."""
    content = canonical(document).encode()
    return gzip.compress(content, mtime=0) if len(content) > _LARGE else content


def document_of(content: bytes) -> Document:
    """The document in a file; Broken if there is none."""
    try:
        text = gzip.decompress(content) if content.startswith(_GZIP) else content
        found: Document = json.loads(text)
    except (ValueError, OSError, EOFError) as error:
        raise Broken(f"the file is no JSON: {error}") from error
    return found


def _header(certificate: Certificate) -> dict[str, Any]:
    """What the file is about, for people who open it."""
    event = certificate.started
    return {
        "id": event.rollout_id,
        "model": event.model,
        "version": event.version,
        "version_digest": event.detail["version_digest"],
        "author": event.detail["author"],
        "environment": event.detail["environment"],
        "baseline": event.detail["baseline"],
        "plan_digest": certificate.plan_digest,
        "history": [
            {"event": one.sequence, "at": one.at.isoformat(), "by": one.actor, "what": one.action,
             "to": one.detail["to"]}
            for one in certificate.own
            if "to" in one.detail
        ],
    }  # fmt: skip


def _event_record(event: AuditEvent | Elided) -> dict[str, Any]:
    if isinstance(event, Elided):
        return {"sequence": event.sequence, "content": event.content}
    return event_document(event)


def _answers(certificate: Certificate) -> dict[str, list[Any]]:
    """The rows of each stage once, though several promotions were judged on them."""
    found: dict[str, dict[int, Any]] = {}
    for number, log in sorted(certificate.logs.items()):
        stage = _stage_before(certificate, number)
        rows = found.setdefault(stage, {})
        for answer in log.answers:
            rows.setdefault(answer.id, answer_record(answer))
    return {stage: [rows[key] for key in sorted(rows)] for stage, rows in found.items()}


def _exposures(certificate: Certificate) -> dict[str, Any]:
    """Those of each stage once; the last promotion out of it has seen what earlier ones had."""
    last = {
        _stage_before(certificate, number): log.traffic
        for number, log in sorted(certificate.logs.items())
        if log.traffic is not None
    }
    return {
        stage: exposures_record(traffic.exposures, traffic.form) for stage, traffic in last.items()
    }


def _stage_before(certificate: Certificate, number: int) -> str:
    (event,) = (event for event in certificate.own if event.sequence == number)
    return str(Stage(event.detail["from"]["stage"]).value)


def _read(document: Document) -> Certificate:
    audit = document["audit"]
    plan = plan_from_document(document["plan"])
    events = tuple(_event_of(record) for record in audit["events"])
    stages = {
        event.sequence: event.detail["from"]["stage"]
        for event in events
        if isinstance(event, AuditEvent) and event.detail.get("from")
    }
    logs = {one["sequence"]: _log_of(document, stages, one) for one in document["promotions"]}
    return Certificate(
        plan=plan,
        plan_digest=plan_digest(plan),
        before=audit["before"],
        events=events,
        head=AuditHead(audit["head"]["sequence"], audit["head"]["hash"]),
        logs=logs,
        log_digests={number: log_digest(log) for number, log in logs.items()},
    )


def _event_of(record: Document) -> AuditEvent | Elided:
    if "content" in record:
        return Elided(record["sequence"], record["content"])
    return AuditEvent(**{**record, "at": datetime.fromisoformat(record["at"])})


def _log_of(document: Document, stages: Mapping[int, str], one: Document) -> EvidenceLog:
    stage = stages[one["sequence"]]
    rows = {row[0]: row for row in document["answers"].get(stage, [])}
    exposures = document["exposures"].get(stage)
    return log_of(rows, one, None if exposures is None else exposures_of(exposures))
