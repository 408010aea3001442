"""`Idempotency-Key`: a request that is sent again gets the answer that it got."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from fastapi import Request

from registry.domain.errors import Invalid
from serving.api.text import storable

HEADER = "Idempotency-Key"
MAX_KEY = 256
_Row = tuple[str | None, str]


def idempotency_key(request: Request) -> str | None:
    """The key of a request; Invalid if it is one that cannot be stored."""
    key = request.headers.get(HEADER)
    return None if key is None else checked_key(key)


def checked_key(key: str) -> str:
    """The key; Invalid if it is one that cannot be stored."""
    if not 0 < len(key) <= MAX_KEY:
        raise Invalid(f"{HEADER} must have 1 to {MAX_KEY} characters, not {len(key)}.")
    if not storable(key):
        raise Invalid(f"{HEADER} holds a character that is no text.")
    return key


def keys_of_rows(key: str | None, rows: Sequence[bytes]) -> Iterator[_Row]:
    """A key for each row of a request, and what the row is part of.

    One row alone is the same request on every protocol. Of several the first has the key itself, so
    that the key serves no other request; the others' keys are ones that nobody can send.
    """
    if len(rows) == 1:
        yield key, ""
        return
    whole = sha256(b"".join(sha256(row).digest() for row in rows)).hexdigest()
    for number in range(len(rows)):
        yield key if number == 0 else _of_row(key, number), f"row {number} of {whole}"


def _of_row(key: str | None, number: int) -> str | None:
    # Letters beyond Latin-1 stand in no header.
    return None if key is None else f"row {number} \N{RIGHTWARDS ARROW} {_short(key)}"


def _short(key: str) -> str:
    return sha256(key.encode()).hexdigest()
