"""Threads for what may take long, beside those on which the database is read."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from registry.domain.errors import Unavailable

T = TypeVar("T")
THREADS, WAITING = 16, 256


class Aside:
    """Some threads of their own: who waits for a slow store takes none from who waits for a row.

    The threads that every event loop has are few, and whoever waits for an answer looks it up on
    them; a store that is away for a minute would keep them all.

    waiting: how many may wait for one of the threads, each with its data in memory.
    """

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self.threads = threads
        self._places = threading.Semaphore(threads + waiting)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aside")

    async def run(self, work: Callable[[], T]) -> T:
        """What it gives, as soon as one of the threads is free for it; Unavailable if many wait.

        Whoever leaves keeps their place until a thread has seen it: their data are there so long.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable("Too many wait for the store of inputs; try again shortly.")
        left = threading.Event()

        def turn() -> T:
            try:
                if left.is_set():
                    raise Unavailable("The caller has left.")
                return work()
            finally:
                self._places.release()

        try:
            return await asyncio.shield(asyncio.wrap_future(self._pool.submit(turn)))
        except asyncio.CancelledError:
            left.set()
            raise
