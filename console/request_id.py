"""A name for each request over HTTP, in every line of the log that it causes and in its answer."""

import re
import secrets

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
_NAME = re.compile(rb"[A-Za-z0-9._:/+=-]{1,64}")


class RequestId:
    """Takes the name that a caller or a proxy sent in X-Request-ID, if it is one, or gives one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request under its name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = _sent(scope) or secrets.token_hex(8)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, name.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=name):
            await self._app(scope, receive, named)


def _sent(scope: Scope) -> str:
    sent = next((value for key, value in scope["headers"] if key == HEADER), b"")
    return sent.decode() if _NAME.fullmatch(sent) else ""
