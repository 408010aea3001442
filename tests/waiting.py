"""Waiting for what must come, for as long as a slow machine may need."""

import sqlite3
import time
from collections.abc import Callable

import sqlalchemy as sa

# Far more than anything here takes; reached only when what is waited for never comes.
PATIENCE = 120.0


def eventually(claim: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether the claim becomes true; looks again and again."""
    until = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def waiting_for_a_lock(engine: sa.Engine) -> Callable[[], bool]:
    """Says whether a transaction that begins after this waits for the present one."""
    tried: list[str] = []

    def note(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_trace_callback(tried.append)

    def on_postgresql() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with engine.connect() as connection:
            return connection.exec_driver_sql(query).scalar_one() > 0

    if engine.dialect.name != "sqlite":
        return on_postgresql
    sa.event.listen(engine, "checkout", note)
    return lambda: "BEGIN IMMEDIATE" in tried
