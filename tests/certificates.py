"""Certificates as one document that tests edit, and as the files that hold such a document."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.documents.certificate import line
from registry.documents.certificate_lines import FIRST_FORMAT
from registry.documents.certificate_reading import Verified, read_certificate
from registry.documents.evidence_record import canonical, digest_of
from registry.services.certify import certify

Document = dict[str, Any]
_APART = ("promotions", "harms", "exposures", "answers", "digest")


def certified(database: Database, version: int | None = None) -> bytes:
    """The file of bears, as it is written."""
    file = io.BytesIO()
    with database.read() as connection:
        certify(SqlUnitOfWork(connection), "bears", file, version)
    return file.getvalue()


def document_of(content: bytes) -> Document:
    """All lines of a file as one document."""
    head, *others = map(json.loads, content.splitlines())
    document: Document = {**head, "promotions": [], "harms": [], "exposures": {}, "answers": {}}
    for record in others:
        if "promotion" in record:
            document["promotions"].append(record["promotion"])
        elif "harm" in record:
            document["harms"].append(record["harm"])
        elif "digest" in record:
            document["digest"] = record["digest"]
        else:
            (part,) = {"exposures", "answers"} & set(record)
            document[part].setdefault(record[part], []).extend(
                record["rows"] if part == "answers" else [record["rows"]]
            )
    return document


def file_of(document: Document) -> bytes:
    """The file with these lines, whatever its digest says."""
    return b"".join((*_lines(document), line({"digest": document["digest"]})))


def signed(document: Document) -> Document:
    """What a forger does first: make the digest fit again."""
    digest = hashlib.sha256(b"".join(_lines(document))).hexdigest()
    return {**document, "digest": f"sha256:{digest}"}


def file_of_the_first_format(document: Document) -> bytes:
    """The file that an earlier stagegate wrote of the same rollout, its digest made to fit."""
    exposures = {stage: part for stage, (part,) in document["exposures"].items()}
    body = {**document, "exposures": exposures}
    del body["digest"], body["harms"]
    if body["format"].startswith("stagegate/certificate/v2"):
        body["format"] = body["format"].replace("v2", "v1", 1)
        assert body["format"].startswith(FIRST_FORMAT)
    return canonical({**body, "digest": digest_of(canonical(body))}).encode()


def checked(content: bytes) -> Verified:
    """What a file says, as `rollout verify` reads it; also if somebody has compressed it."""
    assert read_certificate(io.BytesIO(gzip.compress(content)))[0].head
    return read_certificate(io.BytesIO(content))


def _lines(document: Document) -> Iterator[bytes]:
    yield line({name: part for name, part in document.items() if name not in _APART})
    for promotion in document["promotions"]:
        yield line({"promotion": promotion})
    for harm in document["harms"]:
        yield line({"harm": harm})
    for stage, parts in document["exposures"].items():
        for rows in parts:
            yield line({"exposures": stage, "rows": rows})
    for stage, rows in document["answers"].items():
        yield line({"answers": stage, "rows": rows})
