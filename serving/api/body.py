"""Reading a request's input: within the size limit, as a raw body or as multipart."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from registry.domain.errors import Invalid, TooLarge, TooSlow
from serving.api.json_body import read_json
from serving.api.tensors import ROWS_AT_MOST
from serving.api.text import storable

ATTRIBUTES = "X-Stagegate-Attributes"
REVIEW = "X-Stagegate-Review"
_MAX_ATTRIBUTES = 64
_MAX_TEXT = 1024
_MAX_NUMBER = 2**63 - 1
_FIELD = "file"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# However slowly it comes; a sender of the largest body that is accepted needs 3 Mbit/s.
BODY_SECONDS = 60.0


def content_type(request: Request) -> str:
    """What the body says that it is, without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def read_input(request: Request, limit: int) -> bytes:
    """The bytes of the one image in a request.

    TooLarge as soon as the limit is passed, whatever Content-Length says; Invalid for an empty
    body or a form without the field.
    """
    if content_type(request) == "multipart/form-data":
        data = await _multipart(request, limit)
    else:
        data = await read_body(request, limit)
    if not data:
        raise Invalid("The body is empty; send an image, or rows as application/json.")
    return data


async def read_rows(request: Request, limit: int) -> tuple[tuple[bytes, ...], dict[str, Any]]:
    """The rows in `{"inputs": [{...}]}`, each as JSON, and the attributes beside them.

    Attributes are also taken from the header; those in the body count where both name one.
    """
    document = read_json(await read_body(request, limit))
    if not isinstance(document, dict) or document.keys() - {"inputs", "attributes"}:
        raise Invalid('The body must be {"inputs": [{...}], "attributes": {...}} and no more.')
    rows = document.get("inputs")
    if not isinstance(rows, list) or not 0 < len(rows) <= ROWS_AT_MOST:
        raise Invalid(f"inputs: a list of 1 to {ROWS_AT_MOST} rows is expected.")
    given = document.get("attributes", {})
    _check_attributes(given, "attributes")
    return tuple(map(row_bytes, rows)), {**read_attributes(request), **given}


def row_bytes(row: object) -> bytes:
    """A row as it is stored, the same on every protocol; Invalid if it is none."""
    if not isinstance(row, dict):
        raise Invalid(
            "inputs: a row is an object from column to value; images are sent as they are."
        )
    return _encode(row).encode("utf-8", "replace")


async def read_body(request: Request, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body; TooLarge as soon as the limit is passed, TooSlow if it is not there by then.

    A sender who only just keeps the connection alive would otherwise have it for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            return b"".join([chunk async for chunk in _limited(request, limit)])
    except TimeoutError as error:
        raise TooSlow(f"The body was not whole after {seconds:g} s.") from error


def read_attributes(request: Request) -> dict[str, Any]:
    """The attributes for scope and sticking; Invalid unless a flat JSON object of scalars."""
    header = request.headers.get(ATTRIBUTES)
    if header is None:
        return {}
    # Headers arrive as Latin-1 whatever they were written in; JSON is UTF-8.
    attributes: dict[str, Any] = read_json(header.encode("latin-1"), ATTRIBUTES)
    _check_attributes(attributes, ATTRIBUTES)
    return attributes


def wants_review(request: Request) -> bool:
    """Whether the caller asks for a person's review; Invalid if it is neither yes nor no."""
    said = request.headers.get(REVIEW, "false").strip().lower()
    if said not in {"true", "false"}:
        raise Invalid(f"{REVIEW} is true or false, not {said[:64]!r}.")
    return said == "true"


def _check_attributes(attributes: object, where: str) -> None:
    if not isinstance(attributes, dict) or len(attributes) > _MAX_ATTRIBUTES:
        raise Invalid(f"{where} must be a JSON object of at most {_MAX_ATTRIBUTES} names.")
    for name, value in attributes.items():
        _check_attribute(name, value, where)


def _check_attribute(name: str, value: object, where: str) -> None:
    if isinstance(value, dict | list):
        raise Invalid(f"{where}: {name[:64]!r} must be text, a number, true, false or null.")
    if len(name) > _MAX_TEXT or (isinstance(value, str) and len(value) > _MAX_TEXT):
        raise Invalid(f"{where}: {name[:64]!r} is longer than {_MAX_TEXT} characters.")
    if isinstance(value, int) and not -_MAX_NUMBER <= value <= _MAX_NUMBER:
        raise Invalid(f"{where}: {name[:64]!r} is a number that is too large.")
    if not (storable(name) and storable(str(value))):
        raise Invalid(f"{where}: {name[:64]!r} holds a character that is no text.")


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise TooLarge(f"The body is larger than the {limit} bytes that are accepted.")
        yield chunk


async def _multipart(request: Request, limit: int) -> bytes:
    # request.form() would read without a limit.
    parser = MultiPartParser(request.headers, _limited(request, limit), max_files=1, max_fields=8)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _field_of(await parser.parse())
    except TimeoutError as error:
        raise TooSlow(f"The form was not whole after {BODY_SECONDS:g} s.") from error
    except (MultiPartException, KeyError) as error:
        raise Invalid(f"The multipart body cannot be read: {error}") from error
    finally:
        # The form does not know the file of a part that never ended.
        for file in parser._files_to_close_on_error:
            file.close()


async def _field_of(form: FormData) -> bytes:
    upload = form.get(_FIELD)
    if not isinstance(upload, UploadFile):
        raise Invalid(f"The form has no file field {_FIELD!r}.")
    return await upload.read()
