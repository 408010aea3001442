"""Whoever waits to write to SQLite tries again at once, however long they have waited."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from waiting import PATIENCE, eventually

from registry.adapters.database.engine import Database
from registry.adapters.database.write_lock import begin_writing

pytestmark = pytest.mark.integration


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with closing(Database(sqlite_url)) as database:
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE said (number INTEGER PRIMARY KEY, who TEXT)")
        yield database


def say(database: Database, who: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("INSERT INTO said (who) VALUES (?)", (who,))


def said(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.exec_driver_sql("SELECT who FROM said ORDER BY number").scalars())


def test_whoever_waits_tries_again_and_again_until_it_is_their_turn(sqlite_url: str):
    tries: list[str] = []
    with closing(Database(sqlite_url)) as database, closing(Database(sqlite_url)) as other:
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE said (number INTEGER PRIMARY KEY, who TEXT)")

        @sa.event.listens_for(other.engine, "connect")
        def listen(connection: sqlite3.Connection, _: object) -> None:
            connection.set_trace_callback(tries.append)

        waits = threading.Thread(target=say, args=(other, "who waits"))
        with database.begin():
            waits.start()
            # SQLite's own waiting would be one try, and soon ten a second.
            assert eventually(lambda: tries.count("BEGIN IMMEDIATE") > 1000)
        waits.join(PATIENCE)
        assert said(database) == ["who waits"]


def test_writers_of_several_threads_lose_nothing(database: Database):
    threads = [
        threading.Thread(target=lambda: [say(database, "one") for _ in range(25)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert said(database) == ["one"] * 100


def test_whoever_has_waited_too_long_gives_up_and_can_try_again(database: Database):
    other = sa.create_engine(database.url, connect_args={"isolation_level": None, "timeout": 30})
    with other.connect() as connection:
        before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
        with database.begin(), pytest.raises(sa.exc.OperationalError, match="locked"):
            begin_writing(connection, patience_seconds=0.01)
        begin_writing(connection)
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == before
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()


def test_what_is_wrong_with_a_database_is_said_at_once(tmp_path: Path):
    (tmp_path / "no.db").write_text("this is no database, whatever its name says" * 100)
    engine = sa.create_engine(f"sqlite:///{tmp_path}/no.db", connect_args={"isolation_level": None})
    with engine.connect() as connection, pytest.raises(sa.exc.DatabaseError) as raised:
        begin_writing(connection)
    assert "not a database" in str(raised.value)
    engine.dispose()
