"""One of several processes that answer at one port, started by console.supervisor.

Whoever started it opened the sockets; its standard input is a connection to that process. There it
says when it answers, and there it learns that nobody is left to look after it: it drains then, as
at a signal.
"""

import argparse
import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from console.acceptor import Acceptor
from console.answering import Server
from console.loads import Loads
from console.memory import limit_memory
from console.owner import Owner, kept_owner
from console.service import configure_logging
from console.settings import Settings, load_settings
from registry.adapters.quiet import silence

READY = b"."
_PARENT = 0  # the standard input


class Worker(Server):
    """A server that takes its connections from sockets which others share."""

    def __init__(self, settings: Settings, owner: Owner | None, number: int, loads: Loads) -> None:
        super().__init__(settings, owner, worker=number)
        self._number = number
        self._loads = loads
        self._acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load everything, then take connections, then say so."""
        await super().startup([])
        state, given = self.server_state, sockets or []
        self._acceptor = Acceptor(
            given, self._protocol, lambda: len(state.connections), self._loads, self._number
        )
        server: Any = self._acceptor
        self.servers.append(server)
        self._acceptor.start(self.config.backlog)
        structlog.get_logger().info("worker serves", pid=os.getpid())
        with suppress(OSError):  # whoever started it is gone; the thread below finds out
            os.write(_PARENT, READY)

    async def on_tick(self, counter: int) -> bool:
        """Connections end without anybody knocking."""
        if self._acceptor:
            self._acceptor.tell()
        return await super().on_tick(counter)

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )  # type: ignore[call-arg]
        return made


def main() -> None:
    """Answer until a signal ends it, or the end of the process that started it."""
    silence()
    parser = argparse.ArgumentParser(prog="console.worker", description=__doc__)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--loads", type=int, required=True)
    parser.add_argument("--fd", type=int, action="append", required=True)
    given = parser.parse_args()
    settings = load_settings()
    configure_logging(settings, worker=given.number)
    limit_memory(settings.memory_bytes, settings.workers)
    owner = kept_owner(settings.home) if settings.accounts else None
    one = Worker(settings, owner, given.number, Loads(given.loads))
    threading.Thread(target=_follow_parent, args=(one.leave,), daemon=True).start()
    with suppress(KeyboardInterrupt):  # a terminal tells the workers, too
        one.run([socket.socket(fileno=descriptor) for descriptor in given.fd])
    sys.exit(0 if one.started else 1)


def _follow_parent(leave: Callable[[], None]) -> None:
    with suppress(OSError):
        while os.read(_PARENT, 1):
            pass
    structlog.get_logger().warning("nobody looks after this worker any more; it drains")
    leave()


if __name__ == "__main__":
    main()
