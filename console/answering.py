"""Answering HTTP in this process until somebody ends it."""

import signal
from collections.abc import Callable
from socket import socket
from types import FrameType

import uvicorn

from console.announcement import url_of
from console.app import create_app
from console.owner import Owner
from console.patient_protocol import PatientProtocol
from console.settings import Settings

DRAIN_SECONDS = 10


class Server(uvicorn.Server):
    """The whole service in one process; lets callers who wait go in peace when it ends.

    worker: its number, if it is one of several behind one port.
    """

    def __init__(
        self, settings: Settings, owner: Owner | None, *, worker: int | None = None
    ) -> None:
        app = create_app(settings, serve=True, owner=owner, worker=worker)
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=PatientProtocol,
                log_config=None,
                access_log=False,
                proxy_headers=False,  # the application looks at them, if a proxy is to be trusted
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )
        self._stop_waiting = app.state.wiring.serving.arrivals.close

    def leave(self) -> None:
        """Stop as at a signal; callable from any thread."""
        self.should_exit = True
        self._stop_waiting()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal and, unlike uvicorn, end with status 0 afterwards."""
        super().handle_exit(sig, frame)
        self._stop_waiting()
        self._captured_signals = [s for s in self._captured_signals if s != signal.SIGTERM]


class SoleServer(Server):
    """The only process of a service: it opens its socket itself.

    listening: told the address, once it answers. leaving: called before it drains.
    """

    def __init__(
        self,
        settings: Settings,
        owner: Owner | None,
        listening: Callable[[str], object],
        leaving: Callable[[], object],
    ) -> None:
        super().__init__(settings, owner)
        self._listening = listening
        self._leaving = leaving

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, then say where."""
        await super().startup(sockets)
        if self.started:
            self._listening(url_of(self.servers[0].sockets[0].getsockname()))

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take the address away, then drain."""
        self._leaving()
        await super().shutdown(sockets)
