"""Reviewers at a queue in a database, without a service between them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from serving_fakes import NOW, a_prediction, an_item

from registry.adapters.database.engine import Database
from registry.domain.people import Identity, Role
from serving.adapters.ledger import GroupLedger
from serving.adapters.unit import SqlServingUnit
from serving.domain.opinions import Passing, Verdict
from serving.domain.review import Task
from serving.ports import ServingUnit
from serving.services import review

T = TypeVar("T")
LATER = NOW + timedelta(minutes=11)
WINDOW = timedelta(seconds=5)


def write(database: Database, work: Callable[[ServingUnit], T]) -> T:
    with database.begin() as connection:
        return work(SqlServingUnit(connection))


def fill(database: Database, items: int, **changes: Any) -> None:
    """Held requests with an item each; the first is the most urgent."""

    def add(unit: ServingUnit) -> None:
        for number in range(items):
            unit.predictions.add(a_prediction(number))
            unit.reviews.add(an_item(number, **changes))

    write(database, add)


def take(
    database: Database,
    reviewer: str,
    now: datetime = NOW,
    *,
    lead: bool = False,
    draw: float = 1.0,
) -> Task | None:
    who = Identity(reviewer, Role.REVIEWER, lead=lead)
    return write(database, lambda unit: review.next_item(unit, who, now, draw=draw))


def taken(database: Database, reviewer: str, now: datetime = NOW, **more: Any) -> Task:
    """The next item, where one must wait."""
    task = take(database, reviewer, now, **more)
    assert task is not None
    return task


def verdict(
    task: Task, reviewer: str, label: str | None = "metal", key: str = "", **more: Any
) -> Verdict:
    key = key or f"{task.item.id}:{task.slot.epoch}:{reviewer}:{label}:{more}"
    return Verdict(task.item.id, reviewer, task.slot.epoch, label, "", key, **more)


def passing(
    task: Task, reviewer: str, reason: str = "", epoch: int | None = None, key: str = "k"
) -> Passing:
    return Passing(task.item.id, reviewer, epoch or task.slot.epoch, key, reason)


def decide(
    database: Database, answer: Verdict, now: datetime = NOW, window: timedelta = timedelta(0)
) -> review.Decided:
    return write(database, lambda unit: review.decide(unit, answer, now, window))


@contextmanager
def replicas(url: str) -> Iterator[list[GroupLedger]]:
    """Two that write to one database."""
    databases = [Database(url), Database(url)]
    ledgers = [GroupLedger(one) for one in databases]
    yield ledgers
    for ledger, one in zip(ledgers, databases, strict=True):
        ledger.close()
        one.close()
