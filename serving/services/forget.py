"""Deleting stored inputs: those of a subject when that is asked for, and all of them in time.

An input that a person is still to be asked about stays until they have answered.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any, Protocol

from registry.ports import UnitOfWork
from serving.domain.inputs import Inputs

TOPIC = "inputs.forget"
FOLDERS = tuple(f"{number:02x}" for number in range(256))
_AT_ONCE = 200


class Store(Protocol):
    """Where inputs are kept."""

    def forget(self, digest: str, sent_before: datetime) -> bool:
        """Delete one unless it was sent again since then; whether it is gone."""

    def sent_before(self, folder: str, moment: datetime) -> tuple[str, ...]:
        """Those of a folder that were last sent before then."""


Waiting = Callable[[Collection[str]], Collection[str]]
"""Which of some inputs a person is still to be asked about."""


def forget_subject(
    unit: UnitOfWork,
    model: str,
    found: Inputs,
    subject: Mapping[str, str],
    actor: str,
    now: datetime,
) -> None:
    """Log that a subject's inputs go, and have them deleted; both or neither."""
    counts = {"requests": found.requests, "inputs": len(found.free)}
    kept = {"waiting": found.waiting, "shared": found.shared}
    unit.audit.append(now, actor, "forgot inputs", model, detail={**subject, **counts, **kept})
    for start in range(0, len(found.free), _AT_ONCE):
        digests = list(found.free[start : start + _AT_ONCE])
        message = {"model": model, "digests": digests, "asked_at": now.isoformat()}
        unit.outbox.add(TOPIC, message, now)


def delete_forgotten(store: Store, waiting: Waiting, message: Mapping[str, Any]) -> None:
    """Delete what a message of this topic names; it may be repeated."""
    digests, asked_at = message["digests"], datetime.fromisoformat(message["asked_at"])
    for digest in sorted(set(digests) - set(waiting(digests))):
        store.forget(digest, asked_at)


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
