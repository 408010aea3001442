"""Counting what waits: exactly while it is little, now and then while it is much."""

import asyncio

from serving.adapters.review_counts import COUNTED_AT_MOST
from serving.api.backlog import KNOWN_SECONDS, Backlog


class Queue:
    """So many items, how often they were counted, and a clock."""

    def __init__(self, items: int) -> None:
        self.items, self.counted, self.now = items, 0, 100.0
        self.backlog = Backlog(self.count, lambda: self.now)

    async def count(self, model: str | None) -> int:
        self.counted += 1
        return min(self.items, COUNTED_AT_MOST)

    def ask(self, model: str | None = None) -> int:
        return asyncio.run(self.backlog.waiting(model))


def test_a_short_queue_is_counted_each_time():
    queue = Queue(2)
    assert queue.ask() == 2
    queue.items = 1
    assert queue.ask() == 1


def test_a_long_queue_is_counted_again_after_a_while_for_each_model():
    queue = Queue(COUNTED_AT_MOST * 5)
    assert [queue.ask(), queue.ask(), queue.ask("waste")] == [COUNTED_AT_MOST] * 3
    assert queue.counted == 2
    queue.items, queue.now = 3, queue.now + KNOWN_SECONDS
    assert queue.ask() == 3
