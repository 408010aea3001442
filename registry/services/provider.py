"""Let people in whom an OpenID provider vouches for."""

from dataclasses import replace
from datetime import datetime

from registry.domain.errors import Conflict, Forbidden
from registry.domain.people import Person
from registry.domain.provider import Account
from registry.people_ports import PeopleUnit
from registry.services.people import add_person, change_person


def welcome(unit: PeopleUnit, account: Account, now: datetime) -> Person:
    """The person of an account, made at the first login and given its role at each.

    Known by the provider's subject alone: a name there, which people can often choose, must not
    open somebody else's account here.
    """
    unit.people.lock()
    known = unit.people.of_subject(account.issuer, account.subject)
    if known is None:
        return _first_login(unit, account, now)
    if known.disabled_at is not None:
        raise Forbidden(f"your account {known.name} is disabled here; ask an admin")
    return change_person(unit, known.name, known.name, now, account.role, account.lead)


def _first_login(unit: PeopleUnit, account: Account, now: datetime) -> Person:
    if unit.people.find(account.name) is not None:
        raise Conflict(
            f"there is already somebody called {account.name} here, who does not log in this way; "
            "an admin has to give one of you another name"
        )
    new = Person(account.name, account.role, now, account.name, account.lead)
    return add_person(unit, replace(new, issuer=account.issuer, subject=account.subject))
