"""Leases in the database: one holder at a time runs what must run once."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.tables import lease as t


class SqlLeases:
    """Implements registry.services.lease.Leases."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def is_free(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Whether `take` would give the lease now: it is held by nobody, or no longer."""
        held = sa.select(t.c.name).where(t.c.name == name, sa.not_(_free(holder, now, ttl)))
        return self._connection.execute(held).first() is None

    def take(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Hold the lease until now + ttl if it is free, expired, or already this holder's."""
        values = {"holder": holder, "expires_at": now + ttl}
        taken = self._connection.execute(
            insert(self._connection, t)
            .values(name=name, **values)
            .on_conflict_do_update(
                index_elements=["name"],
                set_=values,
                where=_free(holder, now, ttl),
            )
            .returning(t.c.name)
        )
        return taken.first() is not None

    def release(self, name: str, holder: str) -> None:
        """Give the lease back at once; nothing happens if somebody else holds it."""
        self._connection.execute(sa.delete(t).where(t.c.name == name, t.c.holder == holder))

    def pass_on(self, holder: str, heir: str) -> None:
        """Whatever the one holds is the other's, until it would have run out."""
        self._connection.execute(sa.update(t).where(t.c.holder == holder).values(holder=heir))


def _free(holder: str, now: datetime, ttl: timedelta) -> sa.ColumnElement[bool]:
    """An end far beyond any that could be given now was given by a clock that has been set back
    since; waiting for it would leave nobody in charge for as long.
    """
    ends = t.c.expires_at
    return sa.or_(t.c.holder == holder, ends <= now, ends > now + 2 * ttl)
