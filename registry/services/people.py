"""Add people, change what they may do, and shut them out at once."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from registry.domain.errors import Conflict
from registry.domain.people import Person, Role
from registry.people_ports import PeopleUnit


def add_person(unit: PeopleUnit, person: Person) -> Person:
    """Store somebody new."""
    unit.people.add(person)
    detail: dict[str, Any] = {"role": person.role.value, "lead": person.lead}
    if person.issuer:
        detail |= {"issuer": person.issuer, "subject": person.subject}
    _log(unit, person.created_at, person.created_by, "person added", person.name, **detail)
    return person


def change_person(
    unit: PeopleUnit, name: str, actor: str, now: datetime, role: Role | None, lead: bool | None
) -> Person:
    """Give somebody another role, or make them a lead or no lead; it counts from the next request.

    The lock keeps two admins who demote each other from both succeeding.
    """
    unit.people.lock()
    before = unit.people.get(name)
    after = replace(
        before,
        role=before.role if role is None else role,
        lead=before.lead if lead is None else lead,
    )
    if after == before:
        return before
    _keep_an_admin(unit, after)
    unit.people.save(after)
    _log(unit, now, actor, "person changed", after.name, role=after.role.value, lead=after.lead)
    return after


def set_password(
    unit: PeopleUnit, name: str, password_hash: str, actor: str, now: datetime
) -> Person:
    """Set a new password and end all sessions: whoever knew the old one is out."""
    unit.people.lock()
    after = replace(unit.people.get(name), password_hash=password_hash)
    unit.people.save(after)
    ended = unit.sessions.end_all_of(after.name)
    _log(unit, now, actor, "password set", after.name, sessions_ended=ended)
    return after


def renew_hash(unit: PeopleUnit, person: Person, password_hash: str) -> None:
    """Keep the same password under a stronger hash, unless it was changed meanwhile."""
    unit.people.lock()
    present = unit.people.get(person.name)
    if present.password_hash == person.password_hash:
        unit.people.save(replace(present, password_hash=password_hash))


def disable(unit: PeopleUnit, name: str, actor: str, now: datetime) -> Person:
    """Shut somebody out: no login, no session and no key works from here on."""
    unit.people.lock()
    before = unit.people.get(name)
    if before.disabled_at is not None:
        return before
    after = replace(before, disabled_at=now)
    _keep_an_admin(unit, after)
    unit.people.save(after)
    ended = unit.sessions.end_all_of(after.name)
    revoked = unit.keys.revoke_all_of(after.name, now)
    _log(
        unit, now, actor, "person disabled", after.name, sessions_ended=ended, keys_revoked=revoked
    )
    return after


def enable(unit: PeopleUnit, name: str, actor: str, now: datetime) -> Person:
    """Let somebody log in again; keys that were revoked stay so."""
    unit.people.lock()
    before = unit.people.get(name)
    if before.disabled_at is None:
        return before
    after = replace(before, disabled_at=None)
    unit.people.save(after)
    _log(unit, now, actor, "person enabled", after.name)
    return after


def _keep_an_admin(unit: PeopleUnit, after: Person) -> None:
    """Conflict if this change would leave nobody who can undo it."""
    admins = {each.name for each in unit.people.list() if each.is_admin}
    if admins == {after.name} and not after.is_admin:
        raise Conflict(
            f"{after.name} is the last admin; make somebody else one first: "
            "`stagegate user add NAME --role admin`"
        )


def _log(
    unit: PeopleUnit, now: datetime, actor: str, action: str, person: str, **detail: Any
) -> None:
    unit.audit.append(now, actor, action, "", detail={"person": person, **detail})
