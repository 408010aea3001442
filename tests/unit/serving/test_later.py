"""A bounded queue of what nobody waits for."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from waiting import PATIENCE

from serving.services.later import Later, Work

WHO = ContextVar("WHO", default="nobody")


def test_so_many_are_at_work_so_many_wait_and_the_rest_is_turned_away():
    async def scene() -> None:
        later, gate, said = Later(at_once=2, waiting=3), asyncio.Event(), list[str]()

        def work(name: int) -> Work:
            async def do() -> None:
                said.append(f"began {name}")
                await gate.wait()

            return Work(do, lambda: said.append(f"dropped {name}"), 1)

        for name in range(7):
            later.add(work(name))
        await asyncio.sleep(0)
        assert said == ["dropped 5", "dropped 6", "began 0", "began 1"]
        assert later.pending == 5
        gate.set()
        while later.pending:
            await asyncio.sleep(0)
        assert said[4:] == ["began 2", "began 3", "began 4"]

    _run(scene)


def test_what_waits_keeps_no_more_than_so_many_bytes():
    async def scene() -> None:
        later, gate, dropped = Later(1, 10, waiting_bytes=100), asyncio.Event(), list[int]()

        async def do() -> None:
            await gate.wait()

        for size in (1000, 60, 60, 40):
            later.add(Work(do, lambda size=size: dropped.append(size), size))
        assert dropped == [60], "one is at work, whatever its size; those that wait have 100"
        gate.set()

    _run(scene)


def test_one_that_fails_stops_no_other_and_none_knows_the_request_it_came_from():
    async def scene() -> None:
        later, seen = Later(at_once=1), list[str]()
        WHO.set("caller")

        async def fail() -> None:
            raise RuntimeError("broken")

        async def look() -> None:
            seen.append(WHO.get())

        later.add(Work(fail, lambda: None, 0))
        later.add(Work(look, lambda: None, 0))
        while later.pending:
            await asyncio.sleep(0)
        assert seen == ["nobody"]

    _run(scene)


def test_at_the_end_what_waits_is_dropped_and_what_is_at_work_has_its_time():
    async def scene() -> None:
        later, gate, said = Later(at_once=1), asyncio.Event(), list[str]()

        async def finish() -> None:
            await gate.wait()
            said.append("finished")

        later.add(Work(finish, lambda: None, 0))
        later.add(Work(finish, lambda: said.append("dropped"), 0))
        ending = asyncio.create_task(later.end(PATIENCE))
        await asyncio.sleep(0)
        later.add(Work(finish, lambda: said.append("came too late"), 0))
        gate.set()
        await ending
        assert said == ["dropped", "came too late", "finished"]

    async def hung() -> None:
        later = Later(at_once=1)
        later.add(Work(asyncio.Event().wait, lambda: None, 0))
        await later.end(0.01)
        while later.pending:
            await asyncio.sleep(0)

    _run(scene)
    _run(hung)


def _run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
