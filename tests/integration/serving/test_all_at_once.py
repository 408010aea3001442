"""Callers, reviewers, people at a rollout and two controllers at once: nobody waits in a circle."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rollout_world import World
from serving_fakes import a_prediction, an_item
from waiting import PATIENCE

from registry.adapters.database.engine import Database
from registry.adapters.database.tables import audit_event, evidence, outbox
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import StagegateError
from registry.domain.evidence import EvidenceRow
from registry.domain.people import Identity, Role
from registry.domain.retrace import PROMOTIONS
from registry.domain.rollout import Rollout
from registry.services import control
from registry.services.check_audit import check_audit
from registry.services.promote import promote
from registry.services.tick import tick
from serving.adapters.ledger import GroupLedger
from serving.adapters.review_tables import review_decision
from serving.adapters.tables import prediction, scope_count
from serving.domain.opinions import Passing, Verdict
from serving.domain.review import Task
from serving.domain.routing import Quota
from serving.ports import ServingUnit
from serving.services import review, review_actions, settle

pytestmark = pytest.mark.integration

STEPS = ", ".join(f"{{weight: {weight}}}" for weight in range(1, 100))
PLAN = f"""\
apiVersion: stagegate/v1
model: {{name: bears, version: 2, baseline: 1}}
unit: user_id
stages:
- stage: gradual
  steps: [{STEPS}]
  gates: [{{type: error-rate, at_most: 0.5}}]
  review: {{sample: 1.0}}
  advance: {{automatic: true}}
"""
REPLICAS, TURNS = 3, 16
DAY = date(2026, 6, 1)
WINDOW = timedelta(milliseconds=30)


def now() -> datetime:
    return datetime.now(UTC)


class Replica:
    """A process as far as the database can tell, and what it was told is done."""

    def __init__(self, database: Database, number: int, rollout: Rollout) -> None:
        self.database, self.number, self.rollout = database, number, rollout
        self.ledger = GroupLedger(database)
        self.told: list[tuple[str, str]] = []
        self.unexpected: list[BaseException] = []

    def write(self, what: str, work: Callable[[ServingUnit], Any]) -> Any:
        """The result, or None where the product says in its own words that it cannot be."""
        return self._said(what, lambda: self.ledger.write(work).result(PATIENCE))

    def change(self, what: str, work: Callable[[SqlUnitOfWork], Any]) -> Any:
        def act() -> Any:
            with self.database.begin() as connection:
                return work(SqlUnitOfWork(connection))

        return self._said(what, act)

    def _said(self, what: str, act: Callable[[], Any]) -> Any:
        try:
            done = act()
        except StagegateError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            self.unexpected.append(error)
            return None
        if what and done:
            self.told.append((what.split()[0], what.split()[-1]))
        return done

    def call(self, thread: int) -> None:
        choice = random.Random(1_000 * self.number + thread)  # noqa: S311 - a test
        for turn in range(TURNS):
            number = 10_000 * self.number + 1_000 * thread + turn
            self.write(f"predicted {number}", lambda u, n=number: self._predict(u, n, choice))

    def _predict(self, unit: ServingUnit, number: int, choice: random.Random) -> bool:
        """A request that is held for a person, of a plan that admits so many a day."""
        due = now() + timedelta(milliseconds=choice.choice([50, 300, 60_000]))
        name = self.rollout.id
        unit.admit(Quota(choice.choice([name, "another"]), DAY, 10_000), 1)
        unit.predictions.add(a_prediction(number, due_at=due, created_at=now()))
        row = EvidenceRow(
            name, self.rollout.stage, 0, f"prediction-{number:05d}", 2, "glass", 1.0, True, now(),
            due_at=due, segments={},
        )  # fmt: skip
        unit.registry.evidence.add([row])
        unit.reviews.add(an_item(number, due_at=due, created_at=now()))
        return True

    def judge(self, thread: int) -> None:
        who = Identity(f"rae-{self.number}-{thread}", Role.REVIEWER, lead=thread == 0)
        choice, earlier = random.Random(who.name), list[Task]()  # noqa: S311 - a test
        for _ in range(TURNS):
            task = self.write("", lambda u: review.next_item(u, who, now(), draw=choice.random()))
            if task is None:
                continue
            earlier.append(task)
            self._act(choice.choice([task, task, choice.choice(earlier)]), who.name, choice)

    def _act(self, task: Task, who: str, choice: random.Random) -> None:
        item, epoch, key = task.item.id, task.slot.epoch, uuid.uuid4().hex
        label = choice.choice(["glass", "glass", "metal"])
        window = choice.choice([review.NO_WINDOW, WINDOW])
        verdict = Verdict(item, who, epoch, label, "", key)
        sent = Passing(item, who, epoch, key)
        match choice.randrange(8):
            case 0:
                self.write("", lambda u: review_actions.skip(u, sent, now()))
            case 1:
                self.write("", lambda u: review_actions.escalate(u, sent, now()))
            case 2:
                self.write("", lambda u: settle.cancel(u, task.item.prediction_id, now()))
            case _:
                decided = self.write("", lambda u: review.decide(u, verdict, now(), window))
                if decided and decided.opinion.counted:
                    self.told.append(("decided", key))
        if choice.random() < 0.2:
            self.write("", lambda u: review.undo(u, item, who, epoch, now()))

    def operate(self, thread: int) -> None:
        choice = random.Random(thread)  # noqa: S311 - a test
        for _ in range(TURNS):
            match choice.randrange(4):
                case 0:
                    self.change("", lambda u: control.pause(u, "bears", "bob", now()))
                case 1:
                    self.change("", lambda u: control.resume(u, "bears", "bob", now()))
                case _:
                    self.change(
                        f"promoted {uuid.uuid4()}",
                        lambda u: promote(u, "bears", "bob", now(), override=True, reason="so"),
                    )

    def control(self, over: threading.Event) -> None:
        while not over.is_set():
            self.change("", lambda u: tick(u, "bears", now()))
            self.write("", lambda u: settle.close_due(u, now(), limit=1))
            self.write("", lambda u: settle.answer_late(u, now(), limit=1))


@contextmanager
def replicas(world: World, wrong: list[str]) -> Iterator[list[Replica]]:
    with ExitStack() as stack:
        found = []
        for number in range(REPLICAS):
            database = Database(world.database.url)
            stack.callback(database.close)
            sa.event.listen(database.engine, "handle_error", lambda seen: wrong.append(_kind(seen)))
            found.append(Replica(database, number, world.rollout()))
            stack.callback(found[-1].ledger.close)
        yield found


def _kind(seen: sa.engine.ExceptionContext) -> str:
    return type(seen.original_exception).__name__ + f": {seen.original_exception}"


def test_everybody_at_once_waits_for_nobody_in_a_circle_and_loses_nothing(database: Database):
    world, wrong, over = World(database), list[str](), threading.Event()
    world.now = now()
    world.start(PLAN)
    world.review(correct=60)
    with replicas(world, wrong) as found, ThreadPoolExecutor(40) as pool:
        leaders = [pool.submit(one.control, over) for one in found[:2]]
        work = [
            pool.submit(act, thread)
            for one in found
            for act in (one.call, one.judge, one.operate)
            for thread in range(2)
        ]
        for one in work:
            one.result(PATIENCE)
        over.set()
        for one in leaders:
            one.result(PATIENCE)
    assert [error for one in found for error in one.unexpected] == []
    assert [one for one in wrong if "eadlock" in one or "locked" in one] == []
    _nothing_is_lost(database, [told for one in found for told in one.told])


def _nothing_is_lost(database: Database, told: list[tuple[str, str]]) -> None:
    counts = Counter(what for what, _ in told)
    with database.read() as connection:

        def ask(*what: sa.Column[Any]) -> Sequence[Any]:
            return connection.execute(sa.select(*what)).all()

        stored = {row.id for row in ask(prediction.c.id)}
        names = [int(name) for what, name in told if what == "predicted"]
        assert {f"prediction-{name:05d}" for name in names} == stored
        assert sum(row.admitted for row in ask(scope_count.c.admitted)) == len(stored)
        assert {name for what, name in told if what == "decided"} == {
            row.idempotency_key
            for row in ask(review_decision.c.idempotency_key, review_decision.c.counted)
            if row.counted
        }
        notices = [row.payload for row in ask(outbox.c.payload) if "detail" in row.payload]
        heard = Counter((one["event"], one["detail"].get("id")) for one in notices)
        heard = Counter({told: times for told, times in heard.items() if told[1]})
        assert set(heard.values()) == {1}
        by_bob = [row.action for row in ask(audit_event.c.action, audit_event.c.actor)
                  if row.actor == "bob"]  # fmt: skip
        assert len([one for one in by_bob if one in PROMOTIONS]) == counts["promoted"]
        assert check_audit(SqlUnitOfWork(connection)).intact
        assert len(ask(evidence.c.id)) == 60 + len(stored)
