"""Deleting stored inputs: those of a subject when that is asked for, and all of them in time.

An input that a person is still to be asked about stays until they have answered.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import cycle
from typing import Protocol

from registry.ports import UnitOfWork
from serving.domain.inputs import Inputs

FOLDERS = tuple(f"{number:02x}" for number in range(256))
_AT_ONCE = 200
ToGo = tuple[str, datetime]
"""An input by its digest, and when its deletion was asked for."""


class Store(Protocol):
    """Where inputs are kept."""

    def forget(self, digest: str, sent_before: datetime) -> bool:
        """Delete one unless it was sent again since then; whether it is gone."""

    def sent_before(self, folder: str, moment: datetime) -> tuple[str, ...]:
        """Those of a folder that were last sent before then."""


class Wishes(Protocol):
    """The inputs whose deletion was asked for and has not happened yet."""

    def forget(self, digests: Collection[str], asked_at: datetime) -> None:
        """Have these deleted, unless they are sent again."""

    def to_go(self, limit: int) -> Collection[ToGo]:
        """Those that no person is to be asked about any more."""

    def gone(self, deleted: Collection[ToGo]) -> None:
        """These need not be deleted any more."""


Transaction = Callable[[], AbstractContextManager[Wishes]]
Waiting = Callable[[Collection[str]], Collection[str]]
"""Which of some inputs a person is still to be asked about."""


def forget_subject(
    unit: UnitOfWork,
    wishes: Wishes,
    model: str,
    found: Inputs,
    subject: Mapping[str, str],
    actor: str,
    now: datetime,
) -> None:
    """Log that a subject's inputs go, and have them deleted; both or neither."""
    counts = {"requests": found.requests, "inputs": len(found.free)}
    kept = {"waiting": len(found.waiting), "shared": found.shared}
    unit.audit.append(now, actor, "forgot inputs", model, detail={**subject, **counts, **kept})
    wishes.forget((*found.free, *found.waiting), now)


def delete_forgotten(store: Store, look: Transaction, change: Transaction) -> int:
    """Delete what may go by now; whatever ends it half-way, the next turn goes on with the rest.

    Gives how many it went through.
    """
    done = 0
    while True:
        with look() as wishes:
            turn = wishes.to_go(_AT_ONCE)
        if not turn:
            return done
        for digest, asked_at in turn:
            store.forget(digest, asked_at)
        with change() as wishes:
            wishes.gone(turn)
        done += len(turn)


class Retention:
    """Deletes inputs some days after they were last sent, a folder of the store at a time."""

    def __init__(self, store: Store, waiting: Waiting, days: int) -> None:
        self._store = store
        self._waiting = waiting
        self._days = timedelta(days=days)
        self._folders: Iterator[str] = cycle(FOLDERS)

    def turn(self, now: datetime) -> int:
        """Look through the next folder; gives how many inputs were deleted."""
        before = now - self._days
        old = self._store.sent_before(next(self._folders), before)
        needed = self._waiting(old) if old else ()
        return sum(self._store.forget(one, before) for one in old if one not in needed)
