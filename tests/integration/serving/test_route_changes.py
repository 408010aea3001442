"""A change of the routes is told by PostgreSQL, and found where it is not told."""

import gc
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
import serving_app
import sqlalchemy as sa
from serving_fakes import FakeRunner, Measured, a_version
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.routes import ROUTES_CHANNEL
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from serving.adapters.engine import Batching
from serving.adapters.fleet import LiveFleet
from serving.adapters.route_changes import Listening, NobodyTells, RouteChanges, route_changes

pytestmark = pytest.mark.integration
MODELS = ("a", "b", "c", "d")


@pytest.fixture
def postgres(migrated_postgresql_url: str) -> Iterator[Database]:
    opened = Database(migrated_postgresql_url)
    yield opened
    opened.close()


@pytest.fixture
def listening(postgres: Database) -> Iterator[Listening]:
    made = Listening(postgres)
    assert made.wait(0), "before it listened something may have changed"
    yield made
    made.close()


@contextmanager
def following(database: Database, changes: RouteChanges | None = None) -> Iterator[LiveFleet]:
    made = LiveFleet(
        database,
        lambda _: FakeRunner(),
        lambda _: None,
        Measured(),
        serving_app.now,
        Batching(8, 0.001, 64),
        changes=changes,
    )
    made.start()
    try:
        yield made
    finally:
        made.close()


def add(database: Database, *models: str) -> None:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for model in models:
            for version in (1, 2):
                unit.versions.add(a_version(version, model))
            unit.live.put(model, 1, 2, serving_app.now())
        unit.routing_clock.tick()


def change(database: Database, model: str, version: int) -> None:
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        unit.routing_clock.tick()
        unit.live.put(model, version, 3 - version, serving_app.now())


def live(fleet: LiveFleet, model: str) -> int | None:
    with fleet.admit() as generation:
        return generation.snapshot.assign(model, {}, serving_app.now()).answering


def clock(fleet: LiveFleet) -> int:
    with fleet.admit() as generation:
        return generation.snapshot.clock


def listeners(database: Database) -> list[int]:
    query = sa.text(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE :what"
    )
    with database.begin() as connection:
        return list(connection.execute(query, {"what": f"LISTEN {ROUTES_CHANNEL}"}).scalars())


def kill(database: Database, pids: list[int]) -> None:
    with database.begin() as connection:
        for pid in pids:
            connection.execute(sa.select(sa.func.pg_terminate_backend(pid)))


def test_postgresql_tells_of_a_change_and_sqlite_is_looked_at(
    postgres: Database, migrated_sqlite_url: str
):
    assert isinstance(route_changes(postgres), Listening)
    assert isinstance(route_changes(Database(migrated_sqlite_url)), NobodyTells)


def test_a_change_is_told_when_it_is_committed(postgres: Database, listening: Listening):
    add(postgres, "a")
    assert listening.wait(PATIENCE)
    assert not listening.wait(0), "a change is told once"
    change(postgres, "a", 2)
    assert listening.wait(PATIENCE)


def test_what_is_rolled_back_is_told_to_nobody(postgres: Database, migrated_postgresql_url: str):
    with psycopg.connect(migrated_postgresql_url, autocommit=True) as other:
        other.execute(f"LISTEN {ROUTES_CHANNEL}")

        def fail() -> None:
            with postgres.begin() as connection:
                SqlUnitOfWork(connection).routing_clock.tick()
                raise RuntimeError("changed its mind")

        with pytest.raises(RuntimeError):
            fail()
        add(postgres, "a")
        told = list(other.notifies(timeout=PATIENCE, stop_after=1))
        assert len(told) == 1
        other.execute("SELECT 1")  # whatever was told before this has arrived
        assert list(other.notifies(timeout=0)) == []


def test_a_listener_that_was_killed_looks_listens_again_and_is_told(
    postgres: Database, listening: Listening
):
    kill(postgres, listeners(postgres))
    assert eventually(lambda: listening.wait(0.01)), "what was told meanwhile it cannot know"
    assert eventually(lambda: listening.wait(0) and listeners(postgres))
    assert eventually(lambda: not listening.wait(0))
    add(postgres, "a")
    assert listening.wait(PATIENCE)


def test_where_nobody_can_listen_every_turn_looks():
    away = Database("postgresql://nobody@/none?host=/nowhere")
    changes = Listening(away)
    assert changes.wait(0)
    assert changes.wait(0)
    changes.close()
    away.close()


def test_a_connection_that_cannot_listen_is_closed(
    postgres: Database, recwarn: pytest.WarningsRecorder
):
    changes = Listening(postgres, "no name of a channel")
    assert changes.wait(0)
    gc.collect()
    assert [one for one in recwarn if one.category is ResourceWarning] == []
    changes.close()


class Failing:
    """Fails every other time in a way that nobody has foreseen."""

    calls = 0

    def wait(self, seconds: float) -> bool:
        self.calls += 1
        if self.calls % 2:
            raise RuntimeError("not foreseen")
        return True

    def close(self) -> None:
        pass


def test_routes_are_followed_though_waiting_for_changes_fails_now_and_then(database: Database):
    add(database, "a")
    with following(database, Failing()) as fleet:
        change(database, "a", 2)
        assert eventually(lambda: live(fleet, "a") == 2)


class Deaf:
    """A line on which nothing arrives and nothing fails, as behind a pooler of connections."""

    def wait(self, seconds: float) -> bool:
        threading.Event().wait(seconds)
        return False

    def close(self) -> None:
        pass


def test_a_change_that_is_never_told_is_found_all_the_same(database: Database):
    add(database, "a")
    with following(database, Deaf()) as fleet:
        change(database, "a", 2)
        assert eventually(lambda: live(fleet, "a") == 2)


def test_replicas_follow_changes_from_many_while_their_listeners_are_killed(postgres: Database):
    add(postgres, *MODELS)
    stop = threading.Event()

    def keep_killing() -> int:
        killed = 0
        while not stop.wait(0.02):
            pids = listeners(postgres)
            kill(postgres, pids)
            killed += len(pids)
        return killed

    def keep_changing(model: str) -> None:
        for number in range(40):
            change(postgres, model, 2 - number % 2)
        change(postgres, model, 2)

    with following(postgres) as one, following(postgres) as two, ThreadPoolExecutor(5) as threads:
        killing = threads.submit(keep_killing)
        list(threads.map(keep_changing, MODELS))
        for fleet in (one, two):
            for model in MODELS:
                assert eventually(partial(_is_live, fleet, model, 2))
        stop.set()
        assert killing.result(PATIENCE) > 0
        assert eventually(lambda: len(listeners(postgres)) == 2), "both listen again"
        change(postgres, "a", 1)
        with postgres.read() as connection:
            value = SqlUnitOfWork(connection).routing_clock.value()
        assert eventually(lambda: clock(one) == clock(two) == value)


def _is_live(fleet: LiveFleet, model: str, version: int) -> bool:
    return live(fleet, model) == version
