"""Waiting for answers that another replica gives: one look at the database for all who wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from serving_fakes import NOW, a_prediction
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from serving.adapters.ledger import GroupLedger
from serving.domain.prediction import DecidedBy, Label, Status
from serving.ports import ServingUnit
from serving.services.wait import LOOK_EVERY_SECONDS, Arrivals, wait_for

pytestmark = pytest.mark.integration
T = TypeVar("T")
CALLERS = 40
ENDLESS = 1000 * PATIENCE


class Watched(GroupLedger):
    """Counts its reads."""

    reads = 0

    def read(self, work: Callable[[ServingUnit], T]) -> T:
        self.reads += 1
        return super().read(work)


@pytest.fixture
def ledger(database: Database) -> Iterator[Watched]:
    made = Watched(database)
    for number in range(CALLERS):
        made.write(lambda unit, n=number: unit.predictions.add(a_prediction(n))).result(PATIENCE)
    yield made
    made.close()


async def _all(ledger: Watched, arrivals: Arrivals, seconds: float) -> list[Status]:
    names = [a_prediction(number).id for number in range(CALLERS)]
    found = await asyncio.gather(*(wait_for(ledger, arrivals, n, seconds) for n in names))
    return [prediction.status for prediction in found]


async def in_time(act: Awaitable[T]) -> T:
    """What it gives, long before those who wait would give up."""
    return await asyncio.wait_for(act, PATIENCE)


def test_many_waiting_callers_ask_the_database_in_one_query(ledger: Watched):
    arrivals = Arrivals()
    began = time.monotonic()
    asyncio.run(_all(ledger, arrivals, 4 * LOOK_EVERY_SECONDS))
    arrivals.end()
    looks = (time.monotonic() - began) / LOOK_EVERY_SECONDS
    # One before and one after for each caller; the looks between them are for all at once.
    assert ledger.reads <= 2 * CALLERS + looks


def test_an_answer_that_another_replica_gave_reaches_the_caller(ledger: Watched):
    arrivals = Arrivals()

    async def call() -> list[Status]:
        waiting = asyncio.create_task(_all(ledger, arrivals, ENDLESS))
        while len(arrivals.waited_for) < CALLERS:
            await asyncio.sleep(0.01)
        for number in range(CALLERS):
            name = a_prediction(number).id
            ledger.write(
                lambda u, n=name: u.predictions.settle(n, Label("glass"), DecidedBy.HUMAN, NOW)
            )
        return await waiting

    assert asyncio.run(in_time(call())) == [Status.FINAL] * CALLERS
    assert arrivals.waited_for == ()
    arrivals.end()


def test_closing_twice_and_announcing_nobody_is_harmless(ledger: Watched):
    arrivals = Arrivals()
    arrivals.announce("nobody")
    arrivals.close()
    arrivals.end()
    assert set(asyncio.run(in_time(_all(ledger, arrivals, ENDLESS)))) == {Status.HELD}
