"""A name for each request over HTTP, in every line of the log that it causes and in its answer."""

import re
import secrets
from collections.abc import MutableMapping
from contextvars import ContextVar
from itertools import count
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
NAME: ContextVar[str] = ContextVar("NAME", default="")
_SENT = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}")


class RequestId:
    """Takes the name that a caller or a proxy sent in X-Request-ID, if it is one, or gives one.

    Names that are given count on from a number that no other process has: each is made anew, and
    making one takes next to nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._process, self._next = secrets.token_hex(8), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request under its name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _sent(scope) or f"{self._process}-{next(self._next):x}"

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, name.encode())]
            await send(message)

        token = NAME.set(name)
        try:
            await self._app(scope, receive, named)
        finally:
            NAME.reset(token)


def with_name(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line of the log with the name of the request that caused it, as structlog's processors."""
    name = NAME.get()
    return {**line, "request_id": name} if name else line


def _sent(scope: Scope) -> str:
    for key, value in scope["headers"]:
        if key == HEADER and _SENT.fullmatch(value):
            return str(value.decode())
    return ""
