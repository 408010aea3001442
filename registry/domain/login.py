"""How often somebody may try to log in, and how long a login lasts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from registry.domain.errors import TooManyAttempts
from registry.domain.people import folded

WINDOW = timedelta(minutes=15)
_FROM_ONE_PLACE = 10
_FOR_ONE_NAME = 100
_FROM_ONE_ADDRESS = 100


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a session lives unused, and how long at all."""

    idle: timedelta
    at_most: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A login of a person; `expires_at` is when it ends even if it is used all the time."""

    token_hash: str = field(repr=False)
    person: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime

    def lives(self, now: datetime, lasting: Lasting) -> bool:
        """Whether it has neither ended nor been left alone for too long."""
        return now < self.expires_at and now < self.seen_at + lasting.idle


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many failed attempts of one subject in a window."""

    subject: str
    most: int


@dataclass(frozen=True, slots=True)
class Tally:
    """The attempts of a subject, the present one included, since the window began."""

    started_at: datetime
    attempts: int


def limits(name: str, address: str) -> tuple[Limit, ...]:
    """What an attempt counts against.

    The tight limit is for one name from one address: a stranger's guesses must not shut a person
    out who logs in from elsewhere. The wide ones slow down guesses that are spread out.
    """
    who = folded(name)
    return (
        Limit(f"name and address: {who} {address}", _FROM_ONE_PLACE),
        Limit(f"name: {who}", _FOR_ONE_NAME),
        Limit(f"address: {address}", _FROM_ONE_ADDRESS),
    )


def check_tallies(found: Sequence[tuple[Limit, Tally]], now: datetime) -> None:
    """TooManyAttempts if any subject is over its limit; says when the last window ends."""
    ends = [tally.started_at + WINDOW for limit, tally in found if tally.attempts > limit.most]
    if ends:
        seconds = max(1, ceil((max(ends) - now).total_seconds()))
        raise TooManyAttempts(
            f"too many attempts to log in; wait {ceil(seconds / 60)} min and try again",
            retry_after=seconds,
        )
