"""People and what they may do: four roles, each with everything that the one before it may."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from registry.domain.errors import Invalid

MIN_PASSWORD = 12
MAX_PASSWORD = 1024
_NAME = re.compile(r"[\w.@+ -]{1,128}")
# What the log calls those who are nobody: a person of that name could hide behind them.
_RESERVED = frozenset({"anonymous", "controller"})


class Role(StrEnum):
    """What somebody may do; the order is that of the members."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role may do whatever the other may."""
        ranks = tuple(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts in a request, and as what; a lead may also settle what other reviewers dispute."""

    name: str
    role: Role
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may log in or own keys; without a password only through a provider or a key.

    `issuer` and `subject` name the account at an OpenID provider that logs in as this person.
    """

    name: str
    role: Role
    created_at: datetime
    created_by: str
    lead: bool = False
    password_hash: str | None = field(default=None, repr=False)
    disabled_at: datetime | None = None
    issuer: str | None = None
    subject: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether they can manage people, themselves included."""
        return self.role is Role.ADMIN and self.disabled_at is None

    @property
    def identity(self) -> Identity:
        """Who they are once they have shown it; an admin is a lead as well."""
        return Identity(self.name, self.role, self.lead or self.role is Role.ADMIN)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key with which a program acts as a person; only its hash is kept, its prefix names it."""

    prefix: str
    key_hash: str = field(repr=False)
    person: str
    role: Role
    label: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    def works(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def identity(self, person: Person) -> Identity:
        """Who acts with it: its person, as the lesser of both roles.

        A key that may do less than its person does not make a lead.
        """
        if self.role.includes(person.role):
            return person.identity
        return Identity(person.name, self.role)


def is_name(text: str) -> bool:
    """Whether somebody could be called that."""
    return _NAME.fullmatch(text) is not None and text == text.strip()


def valid_name(name: str) -> str:
    """The name itself; Invalid if it holds what no name holds."""
    if not is_name(name):
        raise Invalid(
            f"a name has 1 to 128 letters, digits, spaces and . @ + - _, and no space at its "
            f"ends; {name[:200]!r} has not"
        )
    return name


def valid_account_name(name: str) -> str:
    """The name of a new person; Invalid if it is odd or stands for nobody."""
    if folded(valid_name(name)) in _RESERVED:
        raise Invalid(f"nobody can be called {name!r}: the log uses that name; choose another")
    return unicodedata.normalize("NFKC", name)


def folded(name: str) -> str:
    """The name as it is compared: Ada and ada are one person."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def valid_password(password: str, name: str) -> str:
    """The password itself; Invalid says what is wrong with it, and never repeats it."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, this one has "
            f"{len(password)}; a few words in a row make a good one"
        )
    if folded(name) in folded(password) and len(password) < len(name) + MIN_PASSWORD:
        raise Invalid("this password is little more than the name; choose another")
    if len(set(password)) < 5:
        raise Invalid("this password repeats a few characters; choose another")
    return password
