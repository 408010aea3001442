"""Threads for what may take long, beside those on which the database is read."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
THREADS = 16


class Aside:
    """Some threads of their own: who waits for a slow store takes none from who waits for a row.

    The threads that every event loop has are few, and whoever waits for an answer looks it up on
    them; a store that is away for a minute would keep them all.
    """

    def __init__(self, threads: int = THREADS) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aside")

    async def run(self, work: Callable[[], T]) -> T:
        """What it gives, as soon as one of the threads is free for it."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
