"""HTTP connections that are given up when the head of a request does not come.

uvicorn waits for a head for ever, and takes one of any length; a few hundred clients that dawdle
would use up the connections of a replica. How long a body may take is settled where it is read.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
HEAD_BYTES = 128 * 1024


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the head of each request."""

    head_seconds = HEAD_SECONDS
    head_bytes = HEAD_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._came = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Take what came; give up on a head that is too long."""
        super().data_received(data)
        if not self._in_head:
            return
        self._came += len(data)
        if self._came > self.head_bytes:
            self._give_up()
        elif self._timer is None:  # part of a later head, and the rest of it is still to come
            self._arm()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._came = False, 0
        self._disarm()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._disarm()
        if not self.transport.is_closing():
            self.send_400_response("The head of the request is too long, or did not come in time.")
