"""Reviewers of two replicas do all that can be done with items at once, and two timers run."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from review_desk import LATER, fill, passing, replicas, take, taken, verdict, write
from waiting import PATIENCE, eventually, waiting_for_a_lock

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import outbox
from registry.domain.errors import StagegateError
from registry.domain.people import Identity, Role
from serving.adapters.ledger import GroupLedger
from serving.adapters.review_tables import review_decision, review_item, review_slot
from serving.adapters.tables import prediction
from serving.adapters.unit import SqlServingUnit
from serving.domain.opinions import Passing, Verdict
from serving.domain.review import Presentation, Task
from serving.ports import ServingUnit
from serving.services import review, review_actions, settle

pytestmark = pytest.mark.integration
ITEMS, TURNS = 40, 14
WINDOW = timedelta(milliseconds=40)


def now() -> datetime:
    return datetime.now(UTC)


class Reviewer:
    """Somebody at one replica, and what they were told is done."""

    def __init__(self, ledger: GroupLedger, name: str) -> None:
        self.ledger, self.who = ledger, Identity(name, Role.REVIEWER, lead=name == "lea")
        self.draw = random.Random(name)  # noqa: S311 - a test
        self.counted: list[str] = []  # keys
        self.together: dict[str, int] = {}  # how many answers were given under a bulk's name
        self.taken_back: list[str] = []

    def do(self, work: Callable[[ServingUnit], Any]) -> Any:
        """None where the product says in its own words that it cannot be."""
        try:
            return self.ledger.write(work).result(PATIENCE)
        except StagegateError:
            return None

    def work(self) -> None:
        for _ in range(TURNS):
            task = self.do(lambda u: review.next_item(u, self.who, now()))
            if task is not None:
                act = [self.decide, self.snooze, self.agree, self.in_bulk, self.in_bulk]
                self.draw.choice(act)(task)
            if self.who.lead:
                self.release()

    def decide(self, task: Task) -> None:
        key = uuid.uuid4().hex
        label = self.draw.choice(["glass", "metal"])
        verdict = Verdict(task.item.id, self.who.name, task.slot.epoch, label, "", key)
        said = self.do(lambda u: review.decide(u, verdict, now(), WINDOW))
        self.counted += [key] if said and said.opinion.counted else []

    def agree(self, task: Task) -> None:
        self.decide(task)
        key, name, epoch = uuid.uuid4().hex, self.who.name, task.slot.epoch
        item = task.item.id
        said = self.do(lambda u: review.agree(u, item, name, epoch, key, now(), WINDOW))
        self.counted += [key] if said and said.opinion.counted else []

    def snooze(self, task: Task) -> None:
        item, name = task.item.id, self.who.name
        sent = Passing(item, name, task.slot.epoch, uuid.uuid4().hex)
        words = Passing(item, name, 0, uuid.uuid4().hex, "later")
        self.do(lambda u: review_actions.comment(u, words, now()))
        until = now() + WINDOW
        self.do(lambda u: review_actions.snooze(u, sent, until, now()))

    def in_bulk(self, task: Task) -> None:
        item, epoch, key = task.item.id, task.slot.epoch, uuid.uuid4().hex
        name = self.who.name
        grid = self.do(lambda u: review_actions.grid(u, item, name, epoch, now())) or ()
        verdicts = [
            Verdict(one.item.id, name, one.slot.epoch, "glass", "", key, bulk=key)
            for one in grid[:5]
        ]
        if grid and self.do(lambda u: review_actions.decide_bulk(u, verdicts, now(), WINDOW)):
            self.together[key] = len(verdicts)
            if self.draw.random() < 0.5 and self.do(
                lambda u: review_actions.undo_bulk(u, key, name, now())
            ):
                self.taken_back.append(key)

    def release(self) -> None:
        held = self.ledger.read(lambda u: u.reviews.find(state="leased", model=None, limit=5))
        for task in held:
            claim = passing(task, self.who.name)
            self.do(lambda u, c=claim: review_actions.release(u, c, now()))


def time_passes(ledger: GroupLedger, over: threading.Event) -> None:
    while not over.wait(0.002):
        ledger.write(lambda u: settle.close_due(u, now(), limit=2)).result(PATIENCE)


def test_whatever_people_do_at_once_each_item_is_answered_once_and_bulks_stay_whole(
    database: Database,
):
    add_alike(database)
    over = threading.Event()
    with replicas(database.url) as ledgers, ThreadPoolExecutor(8) as pool:
        timers = [pool.submit(time_passes, ledger, over) for ledger in ledgers]
        people = [
            Reviewer(ledgers[number % 2], name)
            for number, name in enumerate(["ann", "bob", "cleo", "dan", "lea"])
        ]
        for one in [pool.submit(person.work) for person in people]:
            one.result(PATIENCE)
        over.set()
        for timer in timers:
            timer.result(PATIENCE)
    assert sum(len(person.counted) + len(person.together) for person in people) > 0
    finish(database)
    nothing_is_lost(database, people)


def test_a_skip_and_a_late_opinion_at_once_keep_the_item_from_both(database: Database):
    fill(database, 1)
    late, held = taken(database, "bob"), taken(database, "ann", LATER)
    is_waiting = waiting_for_a_lock(database.engine)

    def skip() -> None:
        sent = passing(held, "ann", "unclear")
        write(database, lambda unit: review_actions.skip(unit, sent, LATER))

    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            opinion = review.decide(SqlServingUnit(connection), verdict(late, "bob"), LATER)
            assert not opinion.opinion.counted
            skipping = pool.submit(skip)
            assert eventually(is_waiting)
        skipping.result(PATIENCE)
    assert take(database, "ann", LATER) is None
    assert take(database, "bob", LATER) is None
    assert taken(database, "cleo", LATER).item.id == held.item.id


def add_alike(database: Database) -> None:
    fill(database, ITEMS, presentation=Presentation.SHOWN, due_at=None, created_at=now())


def finish(database: Database) -> None:
    """Whoever is left answers the rest, long after every lease and window."""
    at, eve = now() + timedelta(hours=1), Identity("eve", Role.ADMIN, lead=True)
    write(database, lambda u: settle.close_due(u, at))
    while task := write(database, lambda u: review.next_item(u, eve, at)):
        key = Verdict(task.item.id, "eve", task.slot.epoch, "metal", "", uuid.uuid4().hex)
        assert write(database, lambda u, k=key: review.decide(u, k, at)).opinion.counted


def nothing_is_lost(database: Database, people: list[Reviewer]) -> None:
    with database.read() as connection:
        decisions = {row.id: row for row in connection.execute(sa.select(review_decision))}
        slots = connection.execute(sa.select(review_slot)).all()
        states = set(connection.execute(sa.select(review_item.c.state)).scalars())
        answers = {row.id: row for row in connection.execute(sa.select(prediction))}
        told = Counter(
            payload["detail"]["id"]
            for payload in connection.execute(sa.select(outbox.c.payload)).scalars()
        )
    stored = {row.idempotency_key for row in decisions.values() if row.counted}
    assert {key for person in people for key in person.counted} <= stored
    assert states == {"decided"}
    assert set(told.values()) == {1}
    assert len(told) == ITEMS
    current = {slot.item_id: decisions[slot.decision_id] for slot in slots}
    assert len(current) == len(slots) == ITEMS
    for name, answer in answers.items():
        assert answer.status == "final"
        last = current[name.replace("prediction", "item")]
        assert answer.answer["prediction"] == last.label
    given = Counter(row.bulk for row in decisions.values() if row.bulk and row.counted)
    assert given == Counter({k: n for person in people for k, n in person.together.items()})
    stands = {row.bulk for row in current.values()}
    assert stands.isdisjoint({key for person in people for key in person.taken_back})
