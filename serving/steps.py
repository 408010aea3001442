"""The steps of a request on its way, for whoever traces it."""

from contextvars import ContextVar
from typing import Protocol


class Steps(Protocol):
    """Follows one request; called from any thread."""

    @property
    def trace_id(self) -> str:
        """The trace that the request belongs to."""

    def took(self, step: str, began: float, ended: float) -> None:
        """A step is over; both are times of time.perf_counter()."""


# Of the request that is being answered here; None where nobody traces.
FOLLOWED: ContextVar[Steps | None] = ContextVar("FOLLOWED", default=None)


def trace_id() -> str:
    """The trace of the present request; empty if it has none."""
    followed = FOLLOWED.get()
    return followed.trace_id if followed else ""


def took(step: str, began: float, ended: float) -> None:
    """A step of the present request is over."""
    followed = FOLLOWED.get()
    if followed:
        followed.took(step, began, ended)
