"""Let one process of several run a loop; another takes over when it falls silent."""

from datetime import datetime, timedelta
from typing import Protocol


class Leases(Protocol):
    """Where leases are kept; taking one is a single compare-and-set."""

    def is_free(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Whether `take` would give the lease now; only reads."""

    def take(self, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
        """Hold the lease until now + ttl if it is free, expired, or already this holder's.

        It is free, too, if it ends so late that the clock must have been set back.
        """

    def release(self, name: str, holder: str) -> None:
        """Give the lease back at once."""

    def pass_on(self, holder: str, heir: str) -> None:
        """Whatever the one holds is the other's, until it would have run out."""


def hold(leases: Leases, name: str, holder: str, now: datetime, ttl: timedelta) -> bool:
    """Take or renew the lease; False while somebody else holds it."""
    if ttl <= timedelta(0):
        raise ValueError(f"a lease needs time to live, not {ttl}")
    return leases.take(name, holder, now, ttl)
