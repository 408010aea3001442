"""Log in and out, and say whose session or key a request brings."""

from datetime import datetime, timedelta

from registry.domain.errors import Unauthenticated
from registry.domain.login import Lasting, Limit, Session, Tally, limits
from registry.domain.people import Identity, Person
from registry.people_ports import Passwords, PeopleUnit

WRONG = "the name or the password is wrong; if you have forgotten it, ask an admin for a new one"
# Being used is written down this often at most, so that a request is rarely a write.
TOUCH_EVERY = timedelta(minutes=1)


def count_attempt(
    unit: PeopleUnit, name: str, address: str, now: datetime
) -> tuple[tuple[Limit, Tally], ...]:
    """Count an attempt to log in; `check_tallies` says whether it is one too many.

    That comes after this was committed, and the password after that: parallel guesses cannot slip
    past a limit together, and those that are refused count as well.
    """
    unit.tallies.drop_old(now)
    # In one order, so that two attempts never wait for each other.
    ordered = sorted(limits(name, address), key=lambda limit: limit.subject)
    return tuple((limit, unit.tallies.count(limit.subject, now)) for limit in ordered)


def show_password(person: Person | None, password: str, passwords: Passwords) -> Person:
    """The person whose password it is; Unauthenticated, after the same time, for everybody else."""
    right = passwords.fits(password, person.password_hash if person else None)
    if person is None or not right or person.disabled_at is not None:
        raise Unauthenticated(WRONG)
    return person


def open_session(
    unit: PeopleUnit, shown: Person, token_hash: str, now: datetime, lasting: Lasting
) -> None:
    """A session of somebody who has shown who they are; Unauthenticated if that no longer holds.

    Between the two they may have been disabled, or given a new password.
    """
    unit.people.lock()
    present = unit.people.find(shown.name)
    if (
        present is None
        or present.disabled_at is not None
        or present.password_hash != shown.password_hash
    ):
        raise Unauthenticated(WRONG)
    unit.sessions.drop_expired(now)
    unit.sessions.add(Session(token_hash, present.name, now, now, now + lasting.at_most))


def forgive(unit: PeopleUnit, name: str, address: str) -> None:
    """The attempt was right: what was counted against the name is forgotten."""
    near, who, place = limits(name, address)
    unit.tallies.clear(near.subject)
    unit.tallies.clear(who.subject)
    unit.tallies.take_back(place.subject)


def session_of(
    unit: PeopleUnit, token_hash: str, now: datetime, lasting: Lasting
) -> tuple[Identity, bool] | None:
    """Whose session it is, and whether it is time to write down that it is used."""
    found = unit.sessions.find(token_hash)
    if found is None:
        return None
    session, person = found
    if person.disabled_at is not None or not session.lives(now, lasting):
        return None
    return person.identity, session.seen_at + TOUCH_EVERY <= now


def key_of(unit: PeopleUnit, key_hash: str, now: datetime) -> tuple[Identity, str | None] | None:
    """Who acts with a key, and the key's prefix if it is time to write down that it is used."""
    found = unit.keys.find(key_hash)
    if found is None:
        return None
    key, person = found
    if person.disabled_at is not None or not key.works(now):
        return None
    due = key.used_at is None or key.used_at + TOUCH_EVERY <= now
    return key.identity(person), key.prefix if due else None
