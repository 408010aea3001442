"""Which stored inputs somebody's requests have, and which of them are still needed."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from serving.adapters.review_tables import review_item
from serving.adapters.tables import prediction
from serving.domain.inputs import Inputs
from serving.domain.prediction import Status
from serving.domain.review import ItemState

p = prediction.c
_OPEN = review_item.c.state.in_([ItemState.OPEN.value, ItemState.CLOSING.value])


class SqlInputs:
    """Reads both from the log and the review queue."""

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
        return Inputs(len(rows), tuple(sorted(free)), len(waiting), len(shared - waiting))

    def waiting(self, digests: Collection[str]) -> frozenset[str]:
        """Which of these a person is still to be asked about; for a few thousand at a time."""
        wanted = review_item.c.payload_digest
        return frozenset(self._set(sa.select(wanted).where(_OPEN, wanted.in_(list(digests)))))

    def _rows(self, query: sa.Select[Any]) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self._connection.execute(query)]

    def _set(self, query: sa.Select[Any]) -> set[str]:
        return set(self._connection.execute(query.distinct()).scalars())
