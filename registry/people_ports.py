"""What the use cases of people, sessions and keys ask of the world."""

from datetime import datetime
from typing import Protocol

from registry.domain.login import Session, Tally
from registry.domain.people import ApiKey, Person
from registry.ports import Audit


class People(Protocol):
    """The people who may log in."""

    def add(self, person: Person) -> None:
        """Store somebody new; Conflict if the name is taken, in whatever case."""

    def save(self, person: Person) -> None:
        """Store what has changed."""

    def get(self, name: str) -> Person:
        """One of them, in whatever case the name is written; NotFound if nobody is called that."""

    def find(self, name: str) -> Person | None:
        """The same, or None."""

    def of_subject(self, issuer: str, subject: str) -> Person | None:
        """Whom an OpenID provider means."""

    def list(self) -> tuple[Person, ...]:
        """All of them, by name."""

    def lock(self) -> None:
        """Let others who change people or log them in wait until this transaction ends."""


class Sessions(Protocol):
    """Who is logged in."""

    def add(self, session: Session) -> None:
        """Store a login."""

    def find(self, token_hash: str) -> tuple[Session, Person] | None:
        """The login with this token and whose it is."""

    def seen(self, token_hash: str, now: datetime) -> None:
        """It was used."""

    def end(self, token_hash: str) -> None:
        """Log out."""

    def end_all_of(self, person: str) -> int:
        """Log a person out everywhere; says of how many sessions."""

    def drop_expired(self, now: datetime) -> None:
        """Forget those that are over."""


class ApiKeys(Protocol):
    """The keys of programs."""

    def add(self, key: ApiKey) -> None:
        """Store a new one."""

    def get(self, prefix: str) -> ApiKey:
        """The one with this prefix; NotFound if there is none."""

    def find(self, key_hash: str) -> tuple[ApiKey, Person] | None:
        """The one with this hash and whose it is."""

    def used(self, prefix: str, now: datetime) -> None:
        """It was used."""

    def revoke(self, prefix: str, now: datetime) -> None:
        """It works no more."""

    def revoke_all_of(self, person: str, now: datetime) -> int:
        """No key of this person works any more; says how many did."""

    def list(self) -> tuple[ApiKey, ...]:
        """All of them, by person and age."""


class Tallies(Protocol):
    """How often somebody has tried to log in; all replicas count together."""

    def count(self, subject: str, now: datetime) -> Tally:
        """One more attempt, in one step; a window that is over begins again."""

    def take_back(self, subject: str) -> None:
        """That attempt was right and does not count."""

    def clear(self, subject: str) -> None:
        """Forget all attempts."""

    def drop_old(self, now: datetime) -> None:
        """Forget the windows that are over."""


class ProviderLogins(Protocol):
    """Logins that have come back from an OpenID provider."""

    def use(self, state_hash: str, until: datetime, now: datetime) -> bool:
        """Whether it is for the first time; kept until then, when it is too old by itself."""


class PeopleUnit(Protocol):
    """One transaction's view of people; the edge commits it."""

    @property
    def people(self) -> People:
        """The people."""

    @property
    def sessions(self) -> Sessions:
        """Their logins."""

    @property
    def keys(self) -> ApiKeys:
        """Their keys."""

    @property
    def tallies(self) -> Tallies:
        """Attempts to log in."""

    @property
    def provider_logins(self) -> ProviderLogins:
        """Logins through an OpenID provider."""

    @property
    def audit(self) -> Audit:
        """The audit log."""


class Passwords(Protocol):
    """Slow hashes of passwords."""

    def hash(self, password: str) -> str:
        """A hash to keep."""

    def fits(self, password: str, kept: str | None) -> bool:
        """Whether the password is the one; without a hash it takes as long and is never."""

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with weaker parameters than today's."""
