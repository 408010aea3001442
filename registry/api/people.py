"""HTTP of people and keys: who there is, what they may do, and shutting them out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StrictBool

from registry.adapters.database.engine import Database
from registry.adapters.database.people_unit import SqlPeopleUnit
from registry.adapters.tokens import digest, new_api_key, prefix
from registry.api.actor import Actor, Who
from registry.documents.texts import SentText
from registry.domain.login import check_tallies
from registry.domain.people import ApiKey, Person, Role, valid_account_name, valid_password
from registry.people_ports import Passwords
from registry.services import keys, own_password, people

Document = dict[str, Any]
_Name = Annotated[SentText, Field(max_length=128)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PersonBody(_Body):
    """Somebody new; without a password they log in through a provider, or own keys only."""

    name: _Name
    role: Role
    lead: StrictBool = False
    password: SecretStr | None = None


class ChangeBody(_Body):
    """What somebody is from now on; what is left out stays."""

    role: Role | None = None
    lead: StrictBool | None = None


class PasswordBody(_Body):
    """A new password."""

    password: SecretStr


class OwnPasswordBody(_Body):
    """One's present password and the new one."""

    present: SecretStr
    password: SecretStr


class KeyBody(_Body):
    """A key of a person; the role is the person's own unless a lesser one is named."""

    person: _Name
    role: Role | None = None
    label: Annotated[SentText, Field(max_length=200)] = ""
    expires_at: AwareDatetime | None = None


def router(
    database: Database,
    now: Callable[[], datetime],
    passwords: Callable[[], Passwords],
    veil: Callable[[str], str],
) -> APIRouter:
    """The routes below /v1/people and /v1/keys, and /v1/me."""
    routes = APIRouter(prefix="/v1")
    api = _Api(database, now, passwords, veil)
    routes.add_api_route("/me", api.me, methods=["GET"], tags=["people"])
    routes.add_api_route("/me:password", api.own_password, methods=["POST"], tags=["people"])
    routes.add_api_route("/me:logout", api.log_out_everywhere, methods=["POST"], tags=["people"])
    routes.add_api_route("/people", api.people, methods=["GET"], tags=["people"])
    routes.add_api_route("/people", api.add, methods=["POST"], status_code=201, tags=["people"])
    for name in ("change", "password", "disable", "enable"):
        path = "/people/{name}:" + name
        routes.add_api_route(path, getattr(api, name), methods=["POST"], tags=["people"])
    routes.add_api_route("/keys", api.keys, methods=["GET"], tags=["keys"])
    routes.add_api_route("/keys", api.create, methods=["POST"], status_code=201, tags=["keys"])
    routes.add_api_route("/keys/{prefix}:revoke", api.revoke, methods=["POST"], tags=["keys"])
    return routes


class _Api:
    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        passwords: Callable[[], Passwords],
        veil: Callable[[str], str],
    ) -> None:
        self._database = database
        self._now = now
        self._passwords = passwords
        self._veil = veil

    def me(self, who: Who) -> Document:
        """Who you are to this service, and what you may do."""
        with self._unit() as unit:
            found = unit.people.find(who.name)
        known = found is not None and found.password_hash is not None
        shown = {"name": who.name, "role": who.role.value, "lead": who.lead}
        return {**shown, "has_password": known}

    def own_password(self, body: OwnPasswordBody, who: Who, request: Request) -> Document:
        """Change your password, which ends your sessions; your keys go on working."""
        name, address = who.name, request.client.host if request.client else ""
        with self._unit() as unit:
            counted = own_password.count(unit, name, address, self._now())
        check_tallies(counted, self._now())
        hashed = self._hash(body.password, name)
        with self._unit() as unit:
            found = unit.people.find(name)
        shown = own_password.check(found, body.present.get_secret_value(), self._passwords())
        with self._unit() as unit:
            return _person(own_password.change(unit, shown, address, hashed, self._now()))

    def log_out_everywhere(self, who: Who) -> Document:
        """End every login of yours, in every browser; your keys go on working."""
        with self._unit() as unit:
            ended = own_password.log_out_everywhere(unit, who.name, self._now())
        return {"name": who.name, "sessions_ended": ended}

    def people(self) -> Document:
        """Everybody who may log in, or could."""
        with self._unit() as unit:
            return {"people": [_person(each) for each in unit.people.list()]}

    def add(self, body: PersonBody, actor: Actor) -> Document:
        """Add somebody."""
        name = valid_account_name(body.name)
        hashed = self._hash(body.password, name) if body.password else None
        new = Person(name, body.role, self._now(), actor, body.lead, hashed)
        with self._unit() as unit:
            return _person(people.add_person(unit, new))

    def change(self, name: SentText, body: ChangeBody, actor: Actor) -> Document:
        """Give somebody another role, or make them a lead or no lead."""
        with self._unit() as unit:
            return _person(
                people.change_person(unit, name, actor, self._now(), body.role, body.lead)
            )

    def password(self, name: SentText, body: PasswordBody, actor: Actor) -> Document:
        """Set somebody's password, which ends their sessions."""
        hashed = self._hash(body.password, name)
        with self._unit() as unit:
            return _person(people.set_password(unit, name, hashed, actor, self._now()))

    def disable(self, name: SentText, actor: Actor) -> Document:
        """Shut somebody out: their sessions and keys end at once."""
        with self._unit() as unit:
            return _person(people.disable(unit, name, actor, self._now()))

    def enable(self, name: SentText, actor: Actor) -> Document:
        """Let somebody log in again."""
        with self._unit() as unit:
            return _person(people.enable(unit, name, actor, self._now()))

    def keys(self) -> Document:
        """All keys by their first characters; the rest of them is not known here."""
        with self._unit() as unit:
            return {"keys": [_key(each) for each in unit.keys.list()]}

    def create(self, body: KeyBody, actor: Actor) -> Document:
        """Make a key; this answer is the only place where it ever stands."""
        secret = new_api_key()
        with self._unit() as unit:
            owner = unit.people.get(body.person)
            new = ApiKey(
                prefix=prefix(secret),
                key_hash=digest(secret),
                person=owner.name,
                role=body.role or owner.role,
                label=body.label,
                created_at=self._now(),
                created_by=actor,
                expires_at=body.expires_at,
            )
            return {**_key(keys.create_key(unit, new)), "key": secret}

    def revoke(self, prefix: SentText, actor: Actor) -> Document:
        """End a key at once."""
        with self._unit() as unit:
            return _key(keys.revoke_key(unit, prefix, actor, self._now()))

    @contextmanager
    def _unit(self) -> Iterator[SqlPeopleUnit]:
        with self._database.begin() as connection:
            yield SqlPeopleUnit(connection, self._veil)

    def _hash(self, password: SecretStr, name: str) -> str:
        return self._passwords().hash(valid_password(password.get_secret_value(), name))


def _person(person: Person) -> Document:
    return {
        "name": person.name,
        "role": person.role.value,
        "lead": person.identity.lead,
        "login": _ways(person),
        "created_at": person.created_at.isoformat(),
        "created_by": person.created_by,
        "disabled_at": person.disabled_at.isoformat() if person.disabled_at else None,
    }


def _ways(person: Person) -> list[str]:
    """How they can log in on the page."""
    ways = {"password": person.password_hash, "provider": person.subject}
    return [way for way, there in ways.items() if there]


def _key(key: ApiKey) -> Document:
    times = {
        name: moment.isoformat() if moment else None
        for name, moment in (
            ("created_at", key.created_at),
            ("expires_at", key.expires_at),
            ("revoked_at", key.revoked_at),
            ("used_at", key.used_at),
        )
    }
    return {
        "prefix": key.prefix,
        "person": key.person,
        "role": key.role.value,
        "label": key.label,
        "created_by": key.created_by,
        **times,
    }
