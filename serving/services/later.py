"""What nobody waits for: a few at a time, a bounded number waiting, and the rest is turned away."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import structlog

_log = structlog.get_logger(__name__)
AT_ONCE, WAITING, BYTES = 8, 64, 64 * 2**20


@dataclass(frozen=True, slots=True)
class Work:
    """do: begins it. drop: called instead if it never comes to that. size: the bytes it keeps."""

    do: Callable[[], Coroutine[Any, Any, object]]
    drop: Callable[[], object]
    size: int


class Later:
    """A queue in one event loop.

    at_once: how many are at work at a time, which is all that they can take from others. waiting,
    waiting_bytes: how many more it keeps, and how much of their data.
    """

    def __init__(
        self, at_once: int = AT_ONCE, waiting: int = WAITING, waiting_bytes: int = BYTES
    ) -> None:
        self._at_once = at_once
        self._room, self._bytes = waiting, waiting_bytes
        self._waiting: deque[Work] = deque()
        self._running: set[asyncio.Task[object]] = set()
        self._closed = False

    @property
    def pending(self) -> int:
        """How many are at work or wait."""
        return len(self._running) + len(self._waiting)

    def add(self, work: Work) -> None:
        """Do it soon, or drop it at once if too many wait."""
        kept = sum(one.size for one in self._waiting)
        is_full = len(self._waiting) >= self._room or kept + work.size > self._bytes
        if self._closed or (len(self._running) >= self._at_once and is_full):
            work.drop()
            return
        self._waiting.append(work)
        self._begin()

    async def end(self, seconds: float) -> None:
        """Drop what waits, and give what is at work this time to finish."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().drop()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            # In a context of its own: the request that it comes from is over.
            task = asyncio.get_running_loop().create_task(
                self._waiting.popleft().do(), context=Context()
            )
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("work behind an answer failed", exc_info=error)
        self._begin()
