"""Opening the one database, SQLite or PostgreSQL, and its transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
import sqlalchemy.orm


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
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction that may write; commits at the end, rolls back on any error."""
        with self.engine.begin() as connection:
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


def _sqlite(url: str) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

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
        reading = connection.get_execution_options().get("stagegate_read")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def normal_url(url: str) -> str:
    """The URL with the driver that we ship, where it names none."""
    if url.startswith(("postgresql://", "postgres://")):
        return "postgresql+psycopg://" + url.split("://", 1)[1]
    return url


def _postgresql(url: str) -> sa.Engine:
    engine = sa.create_engine(normal_url(url), pool_pre_ping=True, pool_size=10, max_overflow=20)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("stagegate_read"):
            connection.exec_driver_sql("SELECT pg_current_xact_id()")

    return engine
