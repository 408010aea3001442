"""Telling whoever asks how long the server took, in the header that browsers show (Server-Timing).

It runs until the first byte of the answer is ready, so it says nothing of the way to the client.
"""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class ServerTiming:
    """Adds the time that an answer took, in milliseconds, to its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request and time it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = (time.perf_counter() - began) * 1000
                MutableHeaders(scope=message)["Server-Timing"] = f"total;dur={took:.1f}"
            await send(message)

        await self._app(scope, receive, timed)
