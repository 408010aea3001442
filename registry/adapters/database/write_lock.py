"""Waiting for the only write lock of a SQLite database.

SQLite lets whoever finds it taken sleep longer and longer before each new try, up to a tenth of a
second. Whoever writes often takes it in between, so that another may wait for seconds while the
lock is free for most of the time. Here nobody sleeps for longer than a millisecond, however long
they have waited, so each of those who wait is as likely to get it next.
"""

import sqlite3
import time

import sqlalchemy as sa

PATIENCE_SECONDS = 30.0
# A try takes a twentieth of a millisecond. Pausing for an eighth of the wait keeps tries few, and
# what they are late by small.
_SHARE_OF_WAIT, _SHORTEST_SECONDS, _LONGEST_SECONDS = 1 / 8, 0.00002, 0.001


def begin_writing(connection: sa.Connection, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Begin a transaction that holds the write lock; OperationalError if that takes too long."""
    raw = connection.connection.dbapi_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101
    raw.execute("PRAGMA busy_timeout=0")
    try:
        began = now = time.monotonic()
        while _is_locked(raw) and now - began < patience_seconds:
            pause = (now - began) * _SHARE_OF_WAIT
            time.sleep(min(max(pause, _SHORTEST_SECONDS), _LONGEST_SECONDS))
            now = time.monotonic()
        if not raw.in_transaction:  # what is wrong is said by SQLAlchemy's error, as everywhere
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout={PATIENCE_SECONDS * 1000:.0f}")


def _is_locked(raw: sqlite3.Connection) -> bool:
    """Whether somebody else has the lock; if not, this has taken it, or something else is wrong."""
    try:
        raw.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False
