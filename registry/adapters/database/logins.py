"""Who is logged in, and how often somebody has tried, in the database."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.people import OWN, person_from, with_person
from registry.adapters.database.people_tables import login_session, login_tally, provider_login
from registry.domain.login import WINDOW, Session, Tally
from registry.domain.people import Person


class SqlSessions:
    """Implements registry.people_ports.Sessions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        """Store a login."""
        values = {column.name: getattr(session, column.name) for column in login_session.c}
        self._connection.execute(sa.insert(login_session).values(values))

    def find(self, token_hash: str) -> tuple[Session, Person] | None:
        """The login with this token and whose it is."""
        query = with_person(login_session).where(login_session.c.token_hash == token_hash)
        row = self._connection.execute(query).first()
        return None if row is None else (_session(row), person_from(row))

    def seen(self, token_hash: str, now: datetime) -> None:
        """It was used."""
        t = login_session
        self._connection.execute(
            sa.update(t).where(t.c.token_hash == token_hash).values(seen_at=now)
        )

    def end(self, token_hash: str) -> None:
        """Log out."""
        self._drop(login_session.c.token_hash == token_hash)

    def end_all_of(self, name: str) -> int:
        """Log a person out everywhere; says of how many sessions."""
        return self._drop(login_session.c.person == name)

    def drop_expired(self, now: datetime) -> None:
        """Forget those that are over."""
        self._drop(login_session.c.expires_at <= now)

    def _drop(self, which: sa.ColumnElement[bool]) -> int:
        return self._connection.execute(sa.delete(login_session).where(which)).rowcount


class SqlTallies:
    """Implements registry.people_ports.Tallies."""

    def __init__(self, connection: sa.Connection, veil: Callable[[str], str]) -> None:
        self._connection = connection
        self._veil = veil

    def count(self, subject: str, now: datetime) -> Tally:
        """One more attempt, in one step; a window that is over begins again.

        So does one that began by a clock that was set back since: it would shut people out for as
        long.
        """
        t = login_tally
        over = sa.or_(t.c.started_at <= now - WINDOW, t.c.started_at > now + WINDOW)
        counted = self._connection.execute(
            insert(self._connection, t)
            .values(subject=self._veil(subject), started_at=now, attempts=1)
            .on_conflict_do_update(
                index_elements=["subject"],
                set_={
                    "started_at": sa.case((over, now), else_=t.c.started_at),
                    "attempts": sa.case((over, 1), else_=t.c.attempts + 1),
                },
            )
            .returning(t.c.started_at, t.c.attempts)
        ).one()
        return Tally(counted.started_at, counted.attempts)

    def take_back(self, subject: str) -> None:
        """That attempt was right and does not count."""
        t = login_tally
        self._connection.execute(
            sa.update(t)
            .where(t.c.subject == self._veil(subject), t.c.attempts > 0)
            .values(attempts=t.c.attempts - 1)
        )

    def clear(self, subject: str) -> None:
        """Forget all attempts."""
        t = login_tally
        self._connection.execute(sa.delete(t).where(t.c.subject == self._veil(subject)))

    def drop_old(self, now: datetime) -> None:
        """Forget the windows that are over."""
        t = login_tally
        self._connection.execute(sa.delete(t).where(t.c.started_at <= now - WINDOW))


class SqlProviderLogins:
    """Implements registry.people_ports.ProviderLogins."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def use(self, state_hash: str, until: datetime, now: datetime) -> bool:
        """Whether it is for the first time; kept until then, when it is too old by itself."""
        t = provider_login
        self._connection.execute(sa.delete(t).where(t.c.expires_at <= now))
        new = insert(self._connection, t).values(state_hash=state_hash, expires_at=until)
        made = self._connection.execute(new.on_conflict_do_nothing().returning(t.c.state_hash))
        return made.first() is not None


def _session(row: Any) -> Session:
    return Session(**{c.name: getattr(row, OWN + c.name) for c in login_session.c})
