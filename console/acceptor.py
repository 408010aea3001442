"""Taking connections from sockets that other processes take them from, too.

All who listen wake up when somebody knocks. If each took what it could get, the first to wake would
take whole bursts, and connections that stay open would all stay with it. So each takes one at a
time, and lets those go first who have fewer.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence

import structlog

from console.loads import Loads

HESITATION_SECONDS = 0.005
_FULL_SECONDS = 1.0
_log = structlog.get_logger()


class Acceptor:
    """One worker's way in; looks to uvicorn like an asyncio.Server.

    is_open: how many connections the worker has open.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        is_open: Callable[[], int],
        loads: Loads,
        worker: int,
    ) -> None:
        self.sockets = sockets
        self._protocol = protocol
        self._is_open = is_open
        self._loads = loads
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._closed = False

    def start(self, backlog: int) -> None:
        """Begin to listen."""
        self.tell()
        for one in self.sockets:
            one.setblocking(False)
            one.listen(backlog)
            self._wait(one)

    def tell(self) -> None:
        """Let the others know how many connections are open here."""
        if not self._closed:
            self._loads.tell(self._worker, self._is_open() + len(self._opening))

    def close(self) -> None:
        """Take no more."""
        self._closed = True
        self._loads.left(self._worker)
        for one in self.sockets:
            self._loop.remove_reader(one)

    async def wait_closed(self) -> None:
        """Return when those that were taken are with their protocols."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _wait(self, one: socket.socket) -> None:
        if not self._closed:
            self._loop.add_reader(one, self._knocked, one)

    def _knocked(self, one: socket.socket) -> None:
        self.tell()
        if self._loads.is_least(self._worker):
            self._take(one)
        else:
            self._loop.remove_reader(one)
            self._loop.call_later(HESITATION_SECONDS, self._take_after_all, one)

    def _take_after_all(self, one: socket.socket) -> None:
        """The others had their chance; one of them may hang."""
        if not self._closed:
            self._wait(one)
            self._take(one)

    def _take(self, one: socket.socket) -> None:
        try:
            taken, _ = one.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another was faster, or the caller has left
        except OSError as error:  # too many open files, say
            _log.error("no connection can be taken", error=str(error))
            self._loop.remove_reader(one)
            self._loop.call_later(_FULL_SECONDS, self._wait, one)
            return
        taken.setblocking(False)
        opening = self._loop.create_task(self._open(taken))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        self.tell()

    async def _open(self, taken: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, taken)
        except OSError:  # the caller has left
            taken.close()
