"""The lines of a certificate file, one after the other; nothing in the file goes unread."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from registry.documents.certificate import FORMAT, Record, line
from registry.documents.evidence_record import canonical, digest_of
from registry.domain.retrace import Broken

FIRST_FORMAT = "stagegate/certificate/v1"
_GZIP = b"\x1f\x8b"
_OF_THE_FIRST = {
    "format",
    "rollout",
    "plan",
    "audit",
    "answers",
    "exposures",
    "promotions",
    "digest",
}
_ROWS = 10_000
_EDITED = "the file was changed after it was made: its digest does not fit"


class Lines:
    """The records of a certificate in the order of the file."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._next = next(records, None)

    def take(self, kind: str) -> Iterator[Record]:
        """The next records, as long as they have this part."""
        while self._next is not None and kind in self._next:
            found, self._next = self._next, next(self._records, None)
            yield found

    def end(self) -> None:
        """Broken if anything is left."""
        if self._next is not None:
            names = " and ".join(f"`{name}`" for name in sorted(self._next))
            raise Broken(f"the file holds {names} where nothing of the kind belongs")


def open_lines(file: BinaryIO) -> Lines:
    """The lines of a file whose digest fits; Broken if it is no certificate or was edited.

    Certificates of the first format were one document; they are read whole.
    """
    with reading():
        first = _record(next(_content(file), b""))
        if first.get("format") == FIRST_FORMAT:
            return Lines(_of_the_first(first))
        if first.get("format") != FORMAT:
            raise Broken(
                f"this is no certificate of the format {FORMAT}, nor of an earlier one; if a newer "
                "stagegate made it, verify it with that"
            )
        digest_in(file)
        return Lines(_records(file))


def digest_in(file: BinaryIO) -> str:
    """The digest of a file, once it was compared with what it covers."""
    hashed, last = hashlib.sha256(), b""
    for content in _content(file):
        hashed.update(last)
        last = content
    digest = f"sha256:{hashed.hexdigest()}"
    if last != line({"digest": digest}):
        raise Broken(_EDITED)
    return digest


@contextmanager
def reading() -> Iterator[None]:
    """Whatever goes wrong with the content of a file says that it is no certificate."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise Broken(f"the file cannot be unpacked: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise Broken(f"the file does not have the parts of a certificate: {error!r}") from error


def _content(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    packed = file.read(2) == _GZIP
    file.seek(0)
    opened = gzip.GzipFile(fileobj=file) if packed else file
    for content in opened:  # noqa: UP028 - `yield from` would close the file
        yield content


def _records(file: BinaryIO) -> Iterator[Record]:
    for content in _content(file):
        record = _record(content)
        if line(record) != content:
            raise Broken("a line of the file is not written as certificates are")
        if "digest" not in record:
            yield record


def _record(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Broken(f"the file is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise Broken("the file is no certificate: its first line is no object")
    return found


def _of_the_first(document: Record) -> Iterator[Record]:
    """The same lines from a document of the first format."""
    body = {name: part for name, part in document.items() if name != "digest"}
    if digest_of(canonical(body)) != document["digest"]:
        raise Broken(_EDITED)
    for name in sorted(_OF_THE_FIRST ^ set(document)):
        raise Broken(f"the part `{name}` of the file is missing, or belongs to no certificate")
    yield {name: document[name] for name in ("format", "rollout", "plan", "audit")}
    for promotion in document["promotions"]:
        yield {"promotion": promotion}
    for stage, rows in document["exposures"].items():
        yield {"exposures": stage, "rows": rows}
    for stage, rows in document["answers"].items():
        for at in range(0, len(rows) or 1, _ROWS):
            yield {"answers": stage, "rows": rows[at : at + _ROWS]}
