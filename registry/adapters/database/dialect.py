"""What SQLite and PostgreSQL write differently."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from registry.domain.horizon import IN_ORDER, Horizon


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    values: Mapping[str, Any],
    update: Mapping[str, Any] | None = None,
) -> None:
    """Insert a row, or update the row with the same primary key (all other columns, or these)."""
    keys = [column.name for column in table.primary_key]
    changes = update or {name: value for name, value in values.items() if name not in keys}
    connection.execute(
        insert(connection, table)
        .values(**values)
        .on_conflict_do_update(index_elements=keys, set_=dict(changes))
    )


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The dialect's own insert, which knows ON CONFLICT."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The same, by the name of the dialect."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def lock_until_commit(connection: sa.Connection, key: int) -> None:
    """Let one transaction at a time past this point.

    SQLite needs nothing: a writing transaction holds the only write lock from its start.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def horizon(connection: sa.Connection) -> Horizon:
    """What a reading transaction sees for certain of those that write at the same time.

    The snapshot is there first, then this transaction takes a number: whoever had one by the
    snapshot has a smaller one. (The snapshot's own upper end will not do: transactions that have
    begun and of which none of a larger number has ended lie beyond it.)
    """
    if connection.dialect.name == "sqlite":
        return IN_ORDER
    return Horizon(*connection.execute(_HORIZON).one())


_HORIZON = sa.text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint),"
    " CAST(CAST(pg_current_xact_id() AS text) AS bigint)"
)
