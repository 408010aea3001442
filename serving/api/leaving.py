"""Callers who hang up: what nobody waits for any more is not worked on."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")
# Most answers are there before the second look, and cost nothing but a place in a set.
LOOK_EVERY_SECONDS = 0.05


class Callers:
    """Those who wait for an answer in one event loop."""

    def __init__(self) -> None:
        self._waiting: set[_Caller] = set()
        self._looks = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._waiting)

    async def unless_gone(self, request: Request, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives; it is cancelled, with ClientDisconnect, if the caller hangs up.

        The body must have been read: all that may come now is that the caller leaves.
        """
        caller = _Caller(request)
        self._waiting.add(caller)
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(LOOK_EVERY_SECONDS, self._look)
        try:
            return await work
        except asyncio.CancelledError:
            if not caller.gone:
                raise  # somebody else wanted that, such as a server that ends
            caller.served_by.uncancel()
            raise ClientDisconnect from None
        finally:
            self._waiting.discard(caller)
            caller.forget()

    def _look(self) -> None:
        """Begin to watch those who were there at the last look."""
        for caller in self._waiting:
            caller.watch()
        self._looks = bool(self._waiting)
        if self._looks:
            asyncio.get_running_loop().call_later(LOOK_EVERY_SECONDS, self._look)


class _Caller:
    """One of them, and the task that works for them."""

    __slots__ = ("_request", "_seen", "_task", "gone", "served_by")

    def __init__(self, request: Request) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in one
        self.served_by: asyncio.Task[Any] = task
        self.gone = self._seen = False
        self._request = request
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Learn from now on when they leave, unless this is the first look at them."""
        if self._seen and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._until_gone())
        self._seen = True

    def forget(self) -> None:
        """They were answered."""
        if self._task is not None:
            self._task.cancel()

    async def _until_gone(self) -> None:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            self.gone = True
            self.served_by.cancel()
