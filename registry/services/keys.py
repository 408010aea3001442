"""Make and revoke the keys with which programs act as people."""

from datetime import datetime

from registry.domain.errors import Conflict, Forbidden, Invalid
from registry.domain.people import ApiKey
from registry.people_ports import PeopleUnit


def create_key(unit: PeopleUnit, key: ApiKey) -> ApiKey:
    """Store a new key of a person who may log in."""
    unit.people.lock()
    person = unit.people.get(key.person)
    if person.disabled_at is not None:
        raise Conflict(f"{person.name} is disabled; `stagegate user enable` comes first")
    if not person.role.includes(key.role):
        raise Forbidden(
            f"{person.name} is {person.role}, so a key of theirs cannot be {key.role}; choose "
            f"{person.role} or less"
        )
    if key.expires_at is not None and key.expires_at <= key.created_at:
        raise Invalid("a key must expire in the future")
    unit.keys.add(key)
    detail = {
        "person": person.name,
        "key": key.prefix,
        "role": key.role.value,
        "label": key.label,
        "expires": key.expires_at.isoformat() if key.expires_at else None,
    }
    unit.audit.append(key.created_at, key.created_by, "key created", "", detail=detail)
    return key


def revoke_key(unit: PeopleUnit, prefix: str, actor: str, now: datetime) -> ApiKey:
    """End a key; ending it twice changes nothing."""
    key = unit.keys.get(prefix)
    if key.revoked_at is None:
        unit.keys.revoke(prefix, now)
        detail = {"person": key.person, "key": prefix}
        unit.audit.append(now, actor, "key revoked", "", detail=detail)
    return unit.keys.get(prefix)
