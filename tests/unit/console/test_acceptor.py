"""Connections are shared by those who listen on one socket, whoever of them wakes up first."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator

import pytest
from waiting import PATIENCE

from console.acceptor import HESITATION_SECONDS, Acceptor
from console.loads import Loads, shared_memory


class Counting(asyncio.Protocol):
    """Counts the connections that it was given."""

    def __init__(self, taken: list[asyncio.BaseTransport]) -> None:
        self._taken = taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._taken.append(transport)


@pytest.fixture
def loads() -> Iterator[Loads]:
    with shared_memory(2) as memory:
        yield Loads(memory.fileno())


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


class Way:
    """One worker's acceptor, with a descriptor of its own, and what came through it."""

    def __init__(self, bound: socket.socket, loads: Loads, worker: int, elsewhere: int = 0) -> None:
        self.taken: list[asyncio.BaseTransport] = []
        self.acceptor = Acceptor(
            [bound],
            lambda: Counting(self.taken),
            lambda: elsewhere + len(self.taken),
            loads,
            worker,
        )
        self.acceptor.start(100)

    async def close(self, *callers: asyncio.StreamWriter) -> None:
        for caller in callers:
            caller.close()
        self.acceptor.close()
        await self.acceptor.wait_closed()
        for transport in self.taken:
            transport.close()


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not claim():
            await asyncio.sleep(0.001)


async def knock(bound: socket.socket, times: int) -> list[asyncio.StreamWriter]:
    return [(await asyncio.open_connection(*bound.getsockname()))[1] for _ in range(times)]


def test_whoever_has_more_connections_lets_the_other_go_first(bound: socket.socket, loads: Loads):
    async def play(same: socket.socket) -> tuple[int, int]:
        busy, idle = Way(bound, loads, 1, elsewhere=1000), Way(same, loads, 2)
        open_here = []
        for knocks in range(1, 21):
            open_here += await knock(bound, 1)
            await until(lambda sofar=knocks: len(busy.taken) + len(idle.taken) == sofar)
            # Its turn after this knock is over: else, on a slow machine, it might take the next.
            await asyncio.sleep(2 * HESITATION_SECONDS)
        counts = len(busy.taken), len(idle.taken)
        await busy.close(*open_here)
        await idle.close()
        return counts

    with bound.dup() as same:
        assert asyncio.run(play(same)) == (0, 20)


def test_a_worker_that_does_not_react_is_not_waited_for(bound: socket.socket, loads: Loads):
    async def play() -> int:
        loads.tell(2, 0)  # it has none, and takes none
        one = Way(bound, loads, 1)
        open_here = await knock(bound, 5)
        await until(lambda: len(one.taken) == 5)
        await one.close(*open_here)
        return len(one.taken)

    assert asyncio.run(play()) == 5


def test_whoever_closes_takes_no_more_and_is_not_waited_for(bound: socket.socket, loads: Loads):
    async def play() -> bool:
        one = Way(bound, loads, 1)
        await one.close()
        one.acceptor.tell()
        loads.tell(2, 1000)
        return loads.is_least(2)

    assert asyncio.run(play())


def test_a_process_without_free_descriptors_tries_again(
    bound: socket.socket, loads: Loads, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("console.acceptor._FULL_SECONDS", 0.01)

    class Full(socket.socket):
        """A socket whose process has too many open files at first."""

        refusals = 3

        def accept(self) -> tuple[socket.socket, object]:
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    async def play() -> int:
        with Full(fileno=bound.dup().detach()) as full:
            one = Way(full, loads, 1)
            open_here = await knock(bound, 1)
            await until(lambda: len(one.taken) == 1)
            await one.close(*open_here)
            return full.refusals

    assert asyncio.run(play()) == 0
