"""Logging in and recognising people, each step in a transaction of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from console.settings import Settings
from registry.adapters.database.engine import Database
from registry.adapters.database.people import SqlPeople
from registry.adapters.database.people_unit import SqlPeopleUnit
from registry.adapters.tokens import digest, new_token
from registry.domain.errors import Unauthenticated
from registry.domain.login import Lasting, check_tallies
from registry.domain.people import Identity, Person, is_name
from registry.people_ports import Passwords
from registry.services import login
from registry.services.people import renew_hash

_log = structlog.get_logger()


def admins(settings: Settings) -> tuple[str, ...]:
    """Who may log in and manage people."""
    database = Database(settings.database)
    try:
        with database.read() as connection:
            everybody = SqlPeople(connection).list()
    finally:
        database.close()
    return tuple(one.name for one in everybody if one.is_admin)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The people of one database; every method may wait for it, so none belongs on the event loop.

    veil: what the subjects of attempts to log in are stored as.
    """

    database: Database
    passwords: Callable[[], Passwords]
    veil: Callable[[str], str]
    lasting: Lasting
    clock: Callable[[], datetime]

    def log_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session; Unauthenticated or TooManyAttempts."""
        now = self.clock()
        with self.writing() as unit:
            counted = login.count_attempt(unit, name, address, now)
        check_tallies(counted, now)
        with self._reading() as unit:
            found = unit.people.find(name) if is_name(name) else None
        try:
            person = login.show_password(found, password, self.passwords())
        except Unauthenticated:
            # What was typed as a name may be a password, so only names that exist are logged.
            _log.warning("login failed", person=found.name if found else None, address=address)
            raise
        token = self.begin(person, address)
        with self.writing() as unit:
            login.forgive(unit, name, address)
        self._renew_hash(person, password)
        return token

    def begin(self, person: Person, address: str) -> str:
        """The token of a new session of somebody who has shown who they are."""
        token = new_token()
        with self.writing() as unit:
            login.open_session(unit, person, digest(token), self.clock(), self.lasting)
        _log.info("logged in", person=person.name, address=address)
        return token

    def log_out(self, token: str) -> None:
        """End a session."""
        with self.writing() as unit:
            unit.sessions.end(digest(token))

    def of_session(self, token: str, *, used: bool) -> Identity | None:
        """Whose session it is; `used`: a person did something, rather than their open page."""
        now, token_hash = self.clock(), digest(token)
        with self._reading() as unit:
            found = login.session_of(unit, token_hash, now, self.lasting)
        if found is None:
            return None
        identity, is_due = found
        if used and is_due:
            with self.writing() as unit:
                unit.sessions.seen(token_hash, now)
        return identity

    def of_key(self, key: str) -> Identity | None:
        """Who acts with a key."""
        now = self.clock()
        with self._reading() as unit:
            found = login.key_of(unit, digest(key), now)
        if found is None:
            return None
        identity, due = found
        if due:
            with self.writing() as unit:
                unit.keys.used(due, now)
        return identity

    def _renew_hash(self, person: Person, password: str) -> None:
        passwords = self.passwords()
        if person.password_hash and passwords.is_outdated(person.password_hash):
            fresh = passwords.hash(password)
            with self.writing() as unit:
                renew_hash(unit, person, fresh)

    @contextmanager
    def writing(self) -> Iterator[SqlPeopleUnit]:
        """A transaction that changes people."""
        with self.database.begin() as connection:
            yield SqlPeopleUnit(connection, self.veil)

    @contextmanager
    def _reading(self) -> Iterator[SqlPeopleUnit]:
        with self.database.read() as connection:
            yield SqlPeopleUnit(connection, self.veil)
