"""Opening the one database, SQLite or PostgreSQL, and its transactions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa
import sqlalchemy.orm

from registry.adapters.database.write_lock import PATIENCE_SECONDS, begin_writing


class Database:
    """The database at a SQLAlchemy URL.

    On SQLite every writing transaction takes the write lock at its start (BEGIN IMMEDIATE):
    reading first and writing later would fail with SQLITE_BUSY whatever the time-out. The journal
    is a WAL and every commit reaches the disk before it is acknowledged.

    On PostgreSQL every writing transaction takes its number at its start, before the database
    numbers any row of it: by that a reader knows which rows may still appear.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _sqlite(url) if url.startswith("sqlite") else _postgresql(url)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is an embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def begin(self, *, patient: bool = True, durable: bool = True) -> Iterator[sa.Connection]:
        """A transaction that may write; commits at the end, rolls back on any error.

        patient: whether it may wait long for what others have locked. Who locks things in no order
        must not, or two might wait for each other; only PostgreSQL locks less than everything.
        durable: whether the commit waits for the disk, as what is promised to somebody must. Only
        PostgreSQL can do without; a crash may then take the last second of it back, never a part.
        """
        options = {"stagegate_patient": patient, "stagegate_durable": durable}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent snapshot for reading; takes no lock that a writer waits for."""
        options: dict[str, Any] = {"stagegate_read": True}
        if not self.is_sqlite:
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def close(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()


# Shorter than PostgreSQL's deadlock_timeout, after which it would end one of those in a circle.
_HURRY = ", set_config('lock_timeout', '400ms', true)"
_ON_THE_DISK_SOON = ", set_config('synchronous_commit', 'off', true)"


_encode = msgspec.json.Encoder().encode


def _json(value: Any) -> str:
    """A JSON column; msgspec takes a fifth of the time, and json takes what it will not."""
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, OverflowError):
        return json.dumps(value)


def _sqlite(url: str) -> sa.Engine:
    arguments = {"timeout": PATIENCE_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, connect_args=arguments, json_serializer=_json)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("stagegate_read"):
            connection.exec_driver_sql("BEGIN")
        else:
            begin_writing(connection)

    return engine


def normal_url(url: str) -> str:
    """The URL with the driver that we ship, where it names none."""
    if url.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + url.split("://", 1)[1]
    return url


def _postgresql(url: str) -> sa.Engine:
    engine = sa.create_engine(
        normal_url(url),
        json_serializer=_json,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        connect_args={"connect_timeout": 10},  # a server that drops packets is away, not slow
    )

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("stagegate_read"):
            return
        hurry = "" if options.get("stagegate_patient", True) else _HURRY
        soon = "" if options.get("stagegate_durable", True) else _ON_THE_DISK_SOON
        connection.exec_driver_sql(f"SELECT pg_current_xact_id(){hurry}{soon}")

    return engine
