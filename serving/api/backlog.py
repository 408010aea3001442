"""How many items wait, as reviewers are told with each: a long queue is not counted every time."""

import time
from collections.abc import Awaitable, Callable

from serving.adapters.review_counts import COUNTED_AT_MOST

KNOWN_SECONDS = 2.0


class Backlog:
    """Counts up to COUNTED_AT_MOST; where there are as many, that is known for a while."""

    def __init__(
        self,
        count: Callable[[str | None], Awaitable[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count
        self._clock = clock
        self._full_until: dict[str | None, float] = {}

    async def waiting(self, model: str | None) -> int:
        """How many items wait for a model, or for all."""
        if self._clock() < self._full_until.get(model, 0.0):
            return COUNTED_AT_MOST
        found = await self._count(model)
        if found >= COUNTED_AT_MOST:
            self._full_until[model] = self._clock() + KNOWN_SECONDS
        return found
