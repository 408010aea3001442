"""Change one's own password, and end one's own logins."""

from datetime import datetime

from registry.domain.errors import Forbidden, Unauthenticated
from registry.domain.login import Limit, Tally
from registry.domain.people import Person
from registry.people_ports import Passwords, PeopleUnit
from registry.services import login, people

WRONG = "that is not your present password"
_NONE = "you have no password here: you log in through a provider; if you want one, ask an admin"


def count(
    unit: PeopleUnit, name: str, address: str, now: datetime
) -> tuple[tuple[Limit, Tally], ...]:
    """Count an attempt, as at the login: an open session must not be a place to guess at."""
    return login.count_attempt(unit, name, address, now)


def check(person: Person | None, present: str, passwords: Passwords) -> Person:
    """Forbidden unless it is their present password."""
    if person is not None and person.password_hash is None:
        raise Forbidden(_NONE)
    try:
        return login.show_password(person, present, passwords)
    except Unauthenticated as error:
        raise Forbidden(WRONG) from error


def change(
    unit: PeopleUnit, shown: Person, address: str, password_hash: str, now: datetime
) -> Person:
    """Set the new one, which ends all sessions; Forbidden if it was changed meanwhile."""
    unit.people.lock()
    if unit.people.get(shown.name).password_hash != shown.password_hash:
        raise Forbidden(WRONG)
    after = people.set_password(unit, shown.name, password_hash, shown.name, now)
    login.forgive(unit, shown.name, address)
    return after


def log_out_everywhere(unit: PeopleUnit, name: str, now: datetime) -> int:
    """End every login of somebody; says how many there were."""
    unit.people.lock()
    ended = unit.sessions.end_all_of(name)
    unit.audit.append(
        now, name, "logged out everywhere", "", detail={"person": name, "sessions_ended": ended}
    )
    return ended
