"""Who is looking in the present request, for pages and for requests that pages make in turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from registry.domain.people import Identity, Role


@dataclass(frozen=True, slots=True)
class Visit:
    """One request; without accounts nobody is known and everybody may do everything.

    `csrf` is what forms of a page send along to show that they come from it.
    """

    accounts: bool = False
    identity: Identity | None = None
    csrf: str = ""

    def may(self, role: str) -> bool:
        """Whether a role is enough for something, so that pages can leave it out."""
        if self.identity is None:
            return not self.accounts
        return self.identity.role.includes(Role(role))

    @property
    def leads(self) -> bool:
        """Whether it is a lead's, who may free what others hold."""
        return not self.accounts if self.identity is None else self.identity.lead


_NOBODY = Visit()
_present: ContextVar[Visit] = ContextVar("visit", default=_NOBODY)


def present() -> Visit:
    """The request that is being answered."""
    return _present.get()


def begin(visit: Visit) -> None:
    """It is known now who sends the request that is being answered."""
    _present.set(visit)


@contextmanager
def visiting() -> Iterator[None]:
    """One request; the one in whose course the application has sent it goes on afterwards."""
    before = _present.get()
    try:
        yield
    finally:
        _present.set(before)
