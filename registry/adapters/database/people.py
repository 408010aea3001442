"""People and their keys in the database."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import lock_until_commit
from registry.adapters.database.people_tables import api_key, person
from registry.domain.errors import Conflict, NotFound
from registry.domain.people import ApiKey, Person, Role, folded

OWN = "own_"
_LOCK = 0x5747_5045_4F50_4C  # any constant that nothing else in this database locks


class SqlPeople:
    """Implements registry.people_ports.People."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, new: Person) -> None:
        """Store somebody new; Conflict if the name is taken, in whatever case."""
        try:
            with self._connection.begin_nested():
                self._connection.execute(sa.insert(person).values(name=new.name, **_values(new)))
        except sa.exc.IntegrityError as error:
            raise Conflict(
                f"there is already somebody called {new.name}; choose another name, or look at "
                "`stagegate user list`"
            ) from error

    def save(self, changed: Person) -> None:
        """Store what has changed."""
        self._connection.execute(
            sa.update(person).where(person.c.name == changed.name).values(**_values(changed))
        )

    def get(self, name: str) -> Person:
        """One of them, in whatever case the name is written; NotFound if nobody is called that."""
        found = self.find(name)
        if found is None:
            raise NotFound(f"nobody is called {name!r}; `stagegate user list` names everybody")
        return found

    def find(self, name: str) -> Person | None:
        """The same, or None."""
        return self._first(person.c.folded == folded(name))

    def of_subject(self, issuer: str, subject: str) -> Person | None:
        """Whom an OpenID provider means."""
        return self._first(person.c.issuer == issuer, person.c.subject == subject)

    def list(self) -> tuple[Person, ...]:
        """All of them, by name."""
        rows = self._connection.execute(sa.select(person).order_by(person.c.folded))
        return tuple(person_from(row) for row in rows)

    def lock(self) -> None:
        """Let others who change people or log them in wait until this transaction ends."""
        lock_until_commit(self._connection, _LOCK)

    def _first(self, *where: sa.ColumnElement[bool]) -> Person | None:
        row = self._connection.execute(sa.select(person).where(*where)).first()
        return None if row is None else person_from(row)


class SqlApiKeys:
    """Implements registry.people_ports.ApiKeys."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, key: ApiKey) -> None:
        """Store a new one."""
        values = {column.name: getattr(key, column.name) for column in api_key.c}
        self._connection.execute(sa.insert(api_key).values(values | {"role": key.role.value}))

    def get(self, prefix: str) -> ApiKey:
        """The one with this prefix; NotFound if there is none."""
        query = sa.select(api_key).where(api_key.c.prefix == prefix)
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFound(
                f"there is no key {prefix[:16]!r}; `stagegate key list` has the first characters "
                "of each"
            )
        return _key(row)

    def find(self, key_hash: str) -> tuple[ApiKey, Person] | None:
        """The one with this hash and whose it is."""
        query = with_person(api_key).where(api_key.c.key_hash == key_hash)
        row = self._connection.execute(query).first()
        return None if row is None else (_key(row, OWN), person_from(row))

    def used(self, prefix: str, now: datetime) -> None:
        """It was used."""
        self._change(api_key.c.prefix == prefix, used_at=now)

    def revoke(self, prefix: str, now: datetime) -> None:
        """It works no more."""
        self._change(api_key.c.prefix == prefix, revoked_at=now)

    def revoke_all_of(self, name: str, now: datetime) -> int:
        """No key of this person works any more; says how many did."""
        open_ = api_key.c.person == name, api_key.c.revoked_at.is_(None)
        return self._change(*open_, revoked_at=now)

    def list(self) -> tuple[ApiKey, ...]:
        """All of them, by person and age."""
        t = api_key
        rows = self._connection.execute(
            sa.select(t).order_by(t.c.person, t.c.created_at, t.c.prefix)
        )
        return tuple(_key(row) for row in rows)

    def _change(self, *where: sa.ColumnElement[bool], **values: Any) -> int:
        return self._connection.execute(sa.update(api_key).where(*where).values(**values)).rowcount


def with_person(t: sa.Table) -> sa.Select[Any]:
    """Rows of a table that names people, its own columns marked, beside those of the person."""
    own = [column.label(OWN + column.name) for column in t.c]
    return sa.select(person, *own).join(t, t.c.person == person.c.name)


def person_from(row: Any) -> Person:
    """A row of the table of people as a person."""
    return Person(
        name=row.name,
        role=Role(row.role),
        lead=row.lead,
        password_hash=row.password_hash,
        issuer=row.issuer,
        subject=row.subject,
        created_at=row.created_at,
        created_by=row.created_by,
        disabled_at=row.disabled_at,
    )


def _values(one: Person) -> dict[str, Any]:
    return {
        "folded": folded(one.name),
        "role": one.role.value,
        "lead": one.lead,
        "password_hash": one.password_hash,
        "issuer": one.issuer,
        "subject": one.subject,
        "created_at": one.created_at,
        "created_by": one.created_by,
        "disabled_at": one.disabled_at,
    }


def _key(row: Any, mark: str = "") -> ApiKey:
    values = {column.name: getattr(row, mark + column.name) for column in api_key.c}
    return ApiKey(**values | {"role": Role(values["role"])})
