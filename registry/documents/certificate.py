"""A certificate as a file: a line of JSON for each part, so that it is written as it is read.

First what happened, then how the evidence of each promotion stood, then the evidence itself, and
last the digest of all lines before. A large file is compressed.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from registry.documents.evidence_record import Answer, canonical
from registry.documents.exposure_record import exposures_record
from registry.documents.log_record import Snapshot
from registry.documents.plan_record import plan_document
from registry.documents.rollout_document import event_document
from registry.domain.evidence import AuditEvent
from registry.domain.exposure import ExposureTable
from registry.domain.retrace import Certificate, Elided

FORMAT = "stagegate/certificate/v2"
_LARGE = 1_000_000  # bytes; beyond this a file is compressed
_AT_ONCE = 1 << 20

Record = Mapping[str, Any]


def head_record(certificate: Certificate) -> Record:
    """What happened, as far as the audit log says."""
    return {
        "format": FORMAT,
        "rollout": _header(certificate),
        "plan": plan_document(certificate.plan),
        "audit": {
            "before": certificate.before,
            "events": [_event_record(event) for event in certificate.events],
            "head": {"sequence": certificate.head.sequence, "hash": certificate.head.hash},
        },
    }


def snapshot_record(number: int, snapshot: Snapshot) -> Record:
    """How the evidence of the promotion with this event stood."""
    return {"promotion": {"sequence": number, **snapshot}}


def harm_record(number: int, sight: Record, settled: Record) -> Record:
    """What the look that found harm had before it, and how the settled answers stood by then."""
    return {"harm": {"sequence": number, "sight": sight, **settled}}


def answers_record(stage: str, rows: Sequence[Answer]) -> Record:
    """Some answers of a stage; each is there once, though several promotions were judged on it."""
    return {"answers": stage, "rows": rows}


def some_exposures_record(stage: str, table: ExposureTable) -> Record:
    """Some exposures of a stage, in the order in which they were written."""
    return {"exposures": stage, "rows": exposures_record(table)}


def write_records(file: BinaryIO, records: Iterable[Record]) -> None:
    """Write a line for each record, and the digest."""
    hashed = hashlib.sha256()
    for record in records:
        content = line(record)
        hashed.update(content)
        file.write(content)
    file.write(line({"digest": f"sha256:{hashed.hexdigest()}"}))


def line(record: Record) -> bytes:
    """The one way in which a record is written down."""
    return f"{canonical(record)}\n".encode()


def sent(file: BinaryIO) -> tuple[bool, Iterator[bytes]]:
    """Whether the file is large, and what others get of it: the same file, the same bytes.

    It is closed after the last of them.
    """
    large = file.seek(0, 2) > _LARGE
    file.seek(0)
    return large, _packed(file) if large else _portions(file)


def _portions(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while content := file.read(_AT_ONCE):
            yield content


def _packed(file: BinaryIO) -> Iterator[bytes]:
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)  # as gzip does, without a time
    for content in _portions(file):
        yield packing.compress(content)
    yield packing.flush()


def _header(certificate: Certificate) -> Record:
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


def _event_record(event: AuditEvent | Elided) -> Record:
    if isinstance(event, Elided):
        return {"sequence": event.sequence, "content": event.content}
    return event_document(event)
