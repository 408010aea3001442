"""Several workers behind one port: started, started again when they die, and ended together.

The sockets belong to this process, so whoever has knocked when a worker dies is answered by
another. Workers are programs of their own: nothing is forked with threads in it, and nothing
travels between them but descriptors, a byte, and signals.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Sequence

import structlog

from console.announcement import Announcement, not_listening, url_of
from console.loads import Loads, shared_memory
from console.settings import Settings
from console.workers_folder import workers_folder
from monitoring.adapters.shared_metrics import file_of
from registry.domain.errors import Conflict

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
_HEALTHY_SECONDS = 10.0  # who lived as long does not die as soon as it starts
_log = structlog.get_logger()


def supervise(settings: Settings, announcement: Announcement) -> None:
    """Serve with as many workers as are set, until a signal ends it.

    Conflict if nothing can listen there, or if a worker dies before any of them has answered.
    """
    shutil.rmtree(workers_folder(settings.home), ignore_errors=True)
    asyncio.run(_serve(settings, announcement))


async def _serve(settings: Settings, announcement: Announcement) -> None:
    loop = asyncio.get_running_loop()
    try:
        # Opened as one process would; the workers begin to listen, once they can answer.
        opened = await loop.create_server(
            asyncio.Protocol, settings.host, settings.port, start_serving=False
        )
    except OSError as error:
        _log.error(str(error))
        raise not_listening(settings) from error
    announcement.leave_key()  # before the first worker asks for it
    with shared_memory(settings.workers) as memory:
        async with opened:
            await _Workers(settings, announcement, opened, memory.fileno()).run()


class _Workers:
    """The workers of one service."""

    def __init__(
        self,
        settings: Settings,
        announcement: Announcement,
        opened: asyncio.Server,
        memory: int,
    ) -> None:
        """memory: the descriptor of what the workers write their loads into."""
        self._settings = settings
        self._announcement = announcement
        self._opened = opened
        self._memory = memory
        self._loads = Loads(memory)
        self._sockets: Sequence[socket.SocketType] = opened.sockets
        self._url = url_of(self._sockets[0].getsockname())
        self._running: dict[int, Process] = {}
        self._stopping = asyncio.Event()
        self._announced = False
        self._failure: Conflict | None = None

    async def run(self) -> None:
        """Look after all of them until a signal comes, and let them drain then.

        Conflict if one of them dies before any has answered.
        """
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stop, one)
        async with asyncio.TaskGroup() as tasks:
            for number in range(1, self._settings.workers + 1):
                tasks.create_task(self._keep(number))
        if self._failure:
            raise self._failure

    def _stop(self, sent: signal.Signals) -> None:
        again = self._stopping.is_set() and sent is signal.SIGINT
        if not self._stopping.is_set():
            self._stopping.set()
            self._announcement.withdraw()
            self._opened.close()
        for process in self._running.values():
            process.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    async def _keep(self, number: int) -> None:
        """Start a worker, and another in its place whenever it ends."""
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run(number)
            if self._stopping.is_set():
                return
            if not self._announced:
                self._failure = Conflict(
                    f"worker {number} ended ({_how(status)}) before any answered; the lines above"
                    " say why"
                )
                self._stop(signal.SIGTERM)
                return
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            _log.error("worker died", worker=number, how=_how(status), again_in_seconds=pause)
            await self._rest(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def _run(self, number: int) -> int:
        """One worker from its start to its end; gives its exit status."""
        mine, its = socket.socketpair()
        with mine:  # when it is closed, the worker knows that it is alone
            with its:
                process = await self._start(number, its)
            self._running[number] = process
            if self._stopping.is_set():  # it was not among those that were told
                process.terminate()
            ready = asyncio.create_task(self._announce_when_ready(mine))
            status = await process.wait()
            ready.cancel()
        del self._running[number]
        self._loads.left(number)
        # What a dead worker counted must not be told for ever.
        file_of(workers_folder(self._settings.home), number).unlink(missing_ok=True)
        return status

    async def _start(self, number: int, its: socket.socket) -> Process:
        descriptors = [one.fileno() for one in self._sockets]
        named = [word for fd in descriptors for word in ("--fd", str(fd))]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "console.worker", "--number", str(number)),
            *("--loads", str(self._memory), *named),
            stdin=its.fileno(),
            pass_fds=(self._memory, *descriptors),
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        """What was given on the command line wins in the workers, too."""
        settings = self._settings
        return {
            **os.environ,
            "STAGEGATE_HOME": str(settings.home),
            "STAGEGATE_HOST": settings.host,
            "STAGEGATE_PORT": str(settings.port),
            "STAGEGATE_WORKERS": str(settings.workers),
        }

    async def _announce_when_ready(self, mine: socket.socket) -> None:
        mine.setblocking(False)
        said = await asyncio.get_running_loop().sock_recv(mine, 1)
        if said and not self._announced:
            self._announced = True
            self._announcement.announce(self._url, workers=self._settings.workers)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
