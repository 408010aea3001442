"""Which stored inputs somebody's requests have, which are still needed, and which are to go."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import upsert
from serving.adapters.review_tables import review_item
from serving.adapters.tables import forgotten_input as t
from serving.adapters.tables import prediction
from serving.domain.inputs import Inputs
from serving.domain.prediction import Status
from serving.domain.review import ItemState

p = prediction.c
_OPEN = review_item.c.state.in_([ItemState.OPEN.value, ItemState.CLOSING.value])
_ASKED_AT_ONCE = 5_000  # databases limit how many values a query may name


class SqlInputs:
    """Reads the log and the review queue; keeps whose deletion was asked for."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of_subject(self, model: str, attribute: str, value: str) -> Inputs:
        """The inputs of all requests to a model that have this value of an attribute."""
        said = sa.cast(p.attributes[attribute].as_string(), sa.Text)
        is_theirs = sa.and_(p.model == model, said == value)
        rows = self._rows(sa.select(p.payload_digest, p.status).where(is_theirs))
        digests = {digest for digest, _ in rows}
        theirs = sa.select(p.payload_digest).where(is_theirs)
        held = {digest for digest, status in rows if status == Status.HELD.value}
        asked = review_item.c.payload_digest
        waiting = held | self._set(sa.select(asked).where(_OPEN, asked.in_(theirs)))
        others = sa.or_(p.model != model, said.is_(None), said != value)
        shared = self._set(sa.select(p.payload_digest).where(p.payload_digest.in_(theirs), others))
        free = digests - waiting - shared
        return Inputs(len(rows), tuple(sorted(free)), tuple(sorted(waiting - shared)), len(shared))

    def waiting(self, digests: Collection[str]) -> frozenset[str]:
        """Which of these a person is still to be asked about."""
        wanted = review_item.c.payload_digest
        asked, found = list(digests), set[str]()
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = wanted.in_(asked[start : start + _ASKED_AT_ONCE])
            found |= self._set(sa.select(wanted).where(_OPEN, some))
        return frozenset(found)

    def forget(self, digests: Collection[str], asked_at: datetime) -> None:
        """Have these deleted, unless they are sent again."""
        for digest in digests:
            upsert(self._connection, t, {"digest": digest, "asked_at": asked_at})

    def to_go(self, limit: int) -> tuple[tuple[str, datetime], ...]:
        """Those to delete that no person is to be asked about any more, and since when."""
        is_waiting = sa.exists().where(_OPEN, review_item.c.payload_digest == t.c.digest)
        first = sa.select(t.c.digest, t.c.asked_at).where(~is_waiting).order_by(t.c.asked_at)
        return tuple((row[0], row[1]) for row in self._connection.execute(first.limit(limit)))

    def gone(self, deleted: Collection[tuple[str, datetime]]) -> None:
        """These need not be deleted any more, unless it was asked for again since."""
        for digest, asked_at in deleted:
            this = (t.c.digest == digest, t.c.asked_at == asked_at)
            self._connection.execute(sa.delete(t).where(*this))

    def _rows(self, query: sa.Select[Any]) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._connection.execute(query)]

    def _set(self, query: sa.Select[Any]) -> set[str]:
        return set(self._connection.execute(query.distinct()).scalars())


def inputs(
    connect: Callable[[], AbstractContextManager[sa.Connection]],
) -> Callable[[], AbstractContextManager[SqlInputs]]:
    """The same, each on a connection of its own: to read with, or in a transaction."""

    @contextmanager
    def opened() -> Iterator[SqlInputs]:
        with connect() as connection:
            yield SqlInputs(connection)

    return opened
