"""One controller acts for all replicas, and the outbox delivers what was committed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from rollout_world import PLAN, World
from waiting import PATIENCE

from console.controller import INTERVAL_SECONDS, LEASE_SECONDS, Controller, Duty
from console.deliver import deliver
from console.replica import Replica, take_over
from registry.adapters.database.engine import Database
from registry.adapters.database.tables import lease
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.evidence import OutboxMessage
from registry.domain.stages import Stage
from registry.services.tick import tick

pytestmark = pytest.mark.integration
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def two_controllers(database: Database, clock: Clock) -> tuple[Controller, Controller, list[str]]:
    done: list[str] = []

    def controller(name: str) -> Controller:
        duty = Duty(name, lambda _: done.append(name))
        return Controller("controller", database, [duty], clock, lease_seconds=4)

    return controller("first"), controller("second"), done


def test_only_one_of_two_controllers_acts(database: Database, clock: Clock):
    first, second, done = two_controllers(database, clock)
    assert first.turn()
    assert not second.turn()
    assert done == ["first"]


def test_one_that_does_not_lead_keeps_nobody_from_writing(database: Database, clock: Clock):
    first, second, _ = two_controllers(database, clock)
    assert first.turn()
    with database.begin() as connection:  # while it is open a second writer would have to wait
        connection.execute(sa.update(lease).values(name=lease.c.name))
        assert not second.turn()


def test_another_controller_takes_over_when_the_first_falls_silent(
    database: Database, clock: Clock
):
    first, second, done = two_controllers(database, clock)
    first.turn()
    clock.go_on(4)
    assert second.turn()
    assert done == ["first", "second"]


KILLED = """
import os, signal, sys
from datetime import datetime
from console.controller import Controller, Duty
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.services.tick import tick
database, now = Database(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
def die_at_the_worst_moment(now):
    with database.begin() as connection:
        assert tick(SqlUnitOfWork(connection), "bears", now) is not None
        os.kill(os.getpid(), signal.SIGKILL)
Controller("controller", database, [Duty("rollouts", die_at_the_worst_moment)], lambda: now).turn()
"""


def test_another_takes_over_within_five_seconds_of_a_kill_and_acts_once(database: Database):
    """The first dies between its decision and the commit; the clock is moved, not waited for."""
    world, clock = World(database), Clock()
    world.start(PLAN.replace("then: roll-back}", "then: roll-back}\n  advance: {automatic: true}"))
    world.review(correct=80)
    clock.now = world.now
    url = database.engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, clock.now.isoformat()],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    def act(now: datetime) -> None:
        world.do(lambda unit: tick(unit, "bears", now))

    other = Controller("controller", database, [Duty("rollouts", act)], clock)
    clock.go_on(LEASE_SECONDS - 0.1)
    assert not other.turn()
    assert LEASE_SECONDS + INTERVAL_SECONDS < 5
    clock.go_on(0.1)
    assert other.turn()
    assert world.rollout().stage is Stage.LIMITED_SCOPE
    assert other.turn()
    assert world.actions() == [("bob", "started"), ("controller", "promoted")]


def test_a_clock_set_back_leaves_no_lease_that_nobody_can_take(database: Database, clock: Clock):
    first, second, done = two_controllers(database, clock)
    first.turn()
    clock.go_on(-1)
    assert not second.turn()
    clock.go_on(-3_600)
    assert second.turn()
    assert done == ["first", "second"]


def test_whoever_leads_goes_on_when_the_clock_is_set_back(database: Database, clock: Clock):
    first, second, done = two_controllers(database, clock)
    first.turn()
    clock.go_on(-3_600)
    assert first.turn()
    assert not second.turn()
    clock.go_on(1)
    assert first.turn()
    assert done == ["first"] * 3


def test_a_stopped_controller_gives_the_lease_back_at_once(database: Database, clock: Clock):
    first, second, _ = two_controllers(database, clock)
    first.turn()
    first.stop()
    assert second.turn()


def a_controller(database: Database, clock: Clock, holder: str) -> Controller:
    duties = [Duty("a", str)]
    return Controller("outbox", database, duties, clock, lease_seconds=60, holder=holder)


def served(database: Database, clock: Clock, replica: Replica) -> Controller:
    """As the service begins on a home."""
    take_over(database, replica)
    return a_controller(database, clock, replica.name)


def test_whoever_serves_the_home_of_one_that_died_leads_at_once(
    database: Database, clock: Clock, tmp_path: Path
):
    before = Replica(tmp_path)
    assert served(database, clock, before).turn()
    assert not served(database, clock, Replica(tmp_path / "other")).turn()
    before.leave()
    assert served(database, clock, Replica(tmp_path)).turn()


def test_of_those_that_serve_a_home_and_its_copies_one_leads(
    database: Database, clock: Clock, tmp_path: Path
):
    """Twelve copies begin at once; whoever led from the original stands down at its next turn."""
    home = tmp_path / "home"
    original = served(database, clock, Replica(home))
    assert original.turn()
    copies = [shutil.copytree(home, tmp_path / f"copy-{number}") for number in range(12)]
    gate = threading.Barrier(len(copies))

    def begin(copy: Path) -> Controller:
        replica = Replica(copy)
        gate.wait(PATIENCE)
        return served(database, clock, replica)

    with ThreadPoolExecutor(len(copies)) as pool:
        controllers = [original, *pool.map(begin, copies)]
    clock.go_on(8)
    for _ in range(2):
        assert sorted(one.turn() for one in controllers) == [False] * 12 + [True]
    assert not original.turn()


def test_loops_of_different_names_do_not_keep_each_other_out(database: Database, clock: Clock):
    one = Controller("controller", database, [Duty("a", str)], clock)
    other = Controller("outbox", database, [Duty("b", str)], clock)
    assert one.turn()
    assert other.turn()


def test_a_controller_whose_duty_outlived_the_lease_stops_when_another_has_it(
    database: Database, clock: Clock
):
    done: list[str] = []
    other = Controller("controller", database, [Duty("other", str)], clock, lease_seconds=4)

    def slow(_: datetime) -> None:
        clock.go_on(5)
        assert other.turn()

    duties = [Duty("slow", slow), Duty("next", lambda _: done.append("next"))]
    assert not Controller("controller", database, duties, clock, lease_seconds=4).turn()
    assert done == []


def test_a_controller_that_lost_its_lease_is_told_once(database: Database, clock: Clock):
    told: list[str] = []
    first = Controller(
        "controller", database, [Duty("a", str)], clock, stood_down=lambda: told.append("first")
    )
    second = Controller("controller", database, [Duty("b", str)], clock)
    first.turn()
    clock.go_on(4)
    second.turn()
    for _ in range(2):
        assert not first.turn()
    assert told == ["first"]


def test_a_lease_is_written_anew_long_before_it_ends_and_not_in_every_turn(
    database: Database, clock: Clock
):
    first, _, _ = two_controllers(database, clock)
    ends = []
    for seconds in (0.0, 0.2, 0.2, 0.1):
        clock.go_on(seconds)
        assert first.turn()
        with database.read() as connection:
            ends.append(connection.execute(sa.select(lease.c.expires_at)).scalar_one())
    assert [(end - NOW).total_seconds() for end in ends] == [4, 4, 4, 4.5]


def test_a_failing_duty_does_not_stop_the_next(database: Database, clock: Clock):
    done: list[str] = []
    duties = [Duty("broken", lambda _: 1 / 0), Duty("fine", lambda _: done.append("fine"))]
    assert Controller("controller", database, duties, clock).turn()
    assert done == ["fine"]


def test_a_duty_with_an_interval_waits_for_it_but_not_for_a_clock_set_back(
    database: Database, clock: Clock
):
    done: list[datetime] = []
    slow = Duty("slow", done.append, every_seconds=2)
    controller = Controller("controller", database, [slow], clock)
    for seconds in (0, 1, 1, -1):
        clock.go_on(seconds)
        controller.turn()
    assert done == [NOW + timedelta(seconds=s) for s in (0, 2, 1)]


def test_an_effect_happens_once_and_in_order(database: Database):
    happened: list[object] = []
    with database.begin() as connection:
        outbox = SqlUnitOfWork(connection).outbox
        outbox.add("mlflow.alias", {"model": "bears", "n": 1}, NOW)
        outbox.add("mlflow.alias", {"model": "bears", "n": 2}, NOW)
    effects = {"mlflow.alias": lambda payload: happened.append(payload["n"])}
    assert deliver(database, effects, NOW) == 2
    assert deliver(database, effects, NOW) == 0
    assert happened == [1, 2]


def test_a_failed_effect_is_tried_again_later_and_keeps_its_place(database: Database):
    happened: list[object] = []
    away = True

    def alias(payload: dict[str, object]) -> None:
        if away:
            raise ConnectionError("MLflow is away")
        happened.append(payload["n"])

    with database.begin() as connection:
        outbox = SqlUnitOfWork(connection).outbox
        outbox.add("mlflow.alias", {"model": "bears", "n": 1}, NOW)
        outbox.add("mlflow.alias", {"model": "bears", "n": 2}, NOW)
        outbox.add("mlflow.alias", {"model": "foxes", "n": 3}, NOW)
    effects = {"mlflow.alias": alias}
    assert deliver(database, effects, NOW) == 0
    away = False
    # Its retry is not due, and the later one of the same model must not overtake it.
    assert deliver(database, effects, NOW + timedelta(seconds=0.5)) == 0
    assert deliver(database, effects, NOW + timedelta(seconds=10)) == 3
    assert [n for n in happened if n != 3] == [1, 2]


def test_a_clock_set_back_puts_no_effect_off_for_as_long(database: Database):
    happened: list[object] = []

    def add(n: int, at: datetime) -> None:
        with database.begin() as connection:
            SqlUnitOfWork(connection).outbox.add("mlflow.alias", {"model": "bears", "n": n}, at)

    effects = {"mlflow.alias": lambda payload: happened.append(payload["n"])}
    within = {"news": lambda _, messages, __: happened.extend(m.payload["n"] for m in messages)}
    add(1, NOW + timedelta(days=400))
    add(2, NOW)
    with database.begin() as connection:
        outbox = SqlUnitOfWork(connection).outbox
        outbox.add("news", {"model": "bears", "n": 3}, NOW + timedelta(days=400))
    assert deliver(database, effects, NOW, within) == 3
    assert sorted(map(str, happened)) == ["1", "2", "3"]


def test_an_effect_inside_that_fails_keeps_back_those_after_it_alone(database: Database):
    happened: list[object] = []

    def inside(unit: SqlUnitOfWork, messages: Sequence[OutboxMessage], now: datetime) -> None:
        numbers = [message.payload["n"] for message in messages]
        if 2 in numbers:
            raise ValueError("2 cannot be told")
        happened.extend(numbers)

    with database.begin() as connection:
        for n in range(4):
            outbox = SqlUnitOfWork(connection).outbox
            outbox.add("news", {"model": "bears", "n": n}, NOW)
            outbox.add("news", {"model": "foxes", "n": 10 + n}, NOW)
    assert deliver(database, {}, NOW, {"news": inside}) == 6
    assert sorted(map(str, happened)) == ["0", "1", "10", "11", "12", "13"]
    with database.read() as connection:
        (left,) = SqlUnitOfWork(connection).outbox.due(NOW + timedelta(minutes=1))
    assert (left.payload["n"], left.attempts) == (2, 1)


def test_an_effect_of_a_rolled_back_transaction_never_happens(database: Database):
    def a_request_that_fails_at_its_end() -> None:
        with database.begin() as connection:
            SqlUnitOfWork(connection).outbox.add("mlflow.alias", {"model": "bears"}, NOW)
            raise RuntimeError("the request failed")

    with pytest.raises(RuntimeError):
        a_request_that_fails_at_its_end()
    assert deliver(database, {}, NOW) == 0
