"""The token that shows that a request comes from one of our pages, not only from their visitor."""

from urllib.parse import parse_qs

from fastapi import Request
from starlette.types import Message, Receive

from console.same_origin import require_our_page
from registry.adapters.tokens import same
from registry.domain.errors import Forbidden, TooLarge

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 2**20


async def check_csrf(request: Request, token: str) -> Receive:
    """Forbidden unless a request with a session's cookie comes from one of our pages.

    Scripts send the token in a header, plain forms in a field; then the body has been read, and
    what is given back reads it again.
    """
    require_our_page(request.headers)
    given = request.headers.get(HEADER)
    if given is not None:
        _check(given, token)
        return request.receive
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Forbidden(f"the request brings no token: send {HEADER}, or use an API key")
    body = await _read(request)
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    _check(fields.get(FIELD, [""])[-1], token)
    return _again(body, request.receive)


def _check(given: str, token: str) -> None:
    if not same(given, token):
        raise Forbidden("the page is from an earlier login; load it again and repeat")


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MAX_FORM:
            raise TooLarge(f"a form has at most {_MAX_FORM} bytes")
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message
