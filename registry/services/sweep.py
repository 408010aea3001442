"""Versions that the artifact store numbered and that were never recorded: somebody died between.

The two stores share no transaction. A version is numbered first and recorded a moment later, so
what is older than that moment and has no record never will have one.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from registry.ports import UnitOfWork
from registry.registration import ArtifactStore, Numbered

GRACE = timedelta(minutes=10)


def unrecorded(
    store: ArtifactStore,
    transaction: Callable[[], AbstractContextManager[UnitOfWork]],
    now: datetime,
    model: str | None = None,
) -> tuple[Numbered, ...]:
    """The numbered versions of one model, or of all, that our database does not know."""
    numbered = [one for one in store.numbered(model) if one.created_at <= now - GRACE]
    with transaction() as unit:
        known = unit.versions.numbers(model)
    return tuple(one for one in numbered if (one.model, one.version) not in known)


def sweep(
    store: ArtifactStore,
    transaction: Callable[[], AbstractContextManager[UnitOfWork]],
    home: str,
    model: str,
    now: datetime,
) -> None:
    """Take back what was left behind from this home; another home has another database."""
    for one in unrecorded(store, transaction, now, model):
        if one.home == home:
            store.discard(one.model, one.version, one.run_id)
