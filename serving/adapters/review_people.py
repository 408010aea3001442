"""Counts of each reviewer's work, read from what they answered."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_item as t
from serving.adapters.review_tables import review_slot as s
from serving.domain.review import ItemState, Queue, SlotState, Source
from serving.domain.reviewers import Work

HOUR = timedelta(hours=1)
_NEWEST = 500  # answers of each reviewer that the median of seconds is taken of
_SETTLED = (Source.AGREED.value, Source.ADJUDICATED.value)
_HELD = (SlotState.LEASED.value, SlotState.SNOOZED.value)
# A correction of one's own answer is no second one.
_COUNTED = (d.c.counted, d.c.supersedes.is_(None))


class SqlReviewPeople:
    """Reads what reviewers did since a moment; of one of them only, if named."""

    def __init__(
        self, connection: sa.Connection, since: datetime, reviewer: str | None = None
    ) -> None:
        self._connection = connection
        self._since = since
        self._reviewer = reviewer

    def work(self, now: datetime) -> Mapping[str, Work]:
        """The counts, by name."""
        counts: dict[str, dict[str, int]] = {}
        for query in (self._answers(now), self._held(), self._settled(), self._gold()):
            for row in self._connection.execute(query).mappings():
                found = dict(row)
                counts.setdefault(found.pop("reviewer"), {}).update(found)
        seconds = self._seconds()
        return {name: Work(**some, seconds=seconds.get(name, ())) for name, some in counts.items()}

    def _answers(self, now: datetime) -> sa.Select[tuple[str, int, int]]:
        lately = _count(d.c.decided_at > now - HOUR)
        query = sa.select(
            d.c.reviewer, sa.func.count().label("decisions"), lately.label("last_hour")
        )
        mine = self._mine(d.c.reviewer)
        return query.where(d.c.decided_at >= self._since, *_COUNTED, *mine).group_by(d.c.reviewer)

    def _held(self) -> sa.Select[tuple[str, int]]:
        query = sa.select(s.c.holder.label("reviewer"), sa.func.count().label("holds"))
        mine = self._mine(s.c.holder)
        return query.where(s.c.state.in_(_HELD), *mine).group_by(s.c.holder)

    def _settled(self) -> sa.Select[tuple[str, int, int]]:
        """Current answers to items on which somebody else had a say, leads' own not counted."""
        otherwise = t.c.outcome["prediction"].as_string().is_distinct_from(d.c.label)
        query = (
            sa.select(
                d.c.reviewer,
                sa.func.count().label("settled"),
                _count(otherwise).label("overturned"),
            )
            .join(s, s.c.decision_id == d.c.id)
            .join(t, t.c.id == d.c.item_id)
        )
        decided = (t.c.state == ItemState.DECIDED.value, t.c.gold_of.is_(None))
        recent = (d.c.decided_at >= self._since, d.c.queue != Queue.LEAD.value)
        query = query.where(*decided, t.c.source.in_(_SETTLED))
        return query.where(*recent, *self._mine(d.c.reviewer)).group_by(d.c.reviewer)

    def _gold(self) -> sa.Select[tuple[str, int, int]]:
        right = t.c.truth["prediction"].as_string().is_not_distinct_from(d.c.label)
        query = (
            sa.select(
                d.c.reviewer, sa.func.count().label("gold"), _count(right).label("gold_right")
            )
            .join(s, s.c.decision_id == d.c.id)
            .join(t, t.c.id == d.c.item_id)
        )
        known = (t.c.gold_of.is_not(None), t.c.state == ItemState.DECIDED.value)
        recent = (d.c.decided_at >= self._since, d.c.queue != Queue.LEAD.value)
        return query.where(*known, *recent, *self._mine(d.c.reviewer)).group_by(d.c.reviewer)

    def _seconds(self) -> Mapping[str, list[float]]:
        place = sa.func.row_number().over(partition_by=d.c.reviewer, order_by=d.c.id.desc())
        recent = (d.c.decided_at >= self._since, d.c.seconds.is_not(None))
        newest = (
            sa.select(d.c.reviewer, d.c.seconds, place.label("place"))
            .where(*recent, *_COUNTED, *self._mine(d.c.reviewer))
            .subquery()
        )
        query = sa.select(newest.c.reviewer, newest.c.seconds).where(newest.c.place <= _NEWEST)
        found: dict[str, list[float]] = {}
        for name, seconds in self._connection.execute(query):
            found.setdefault(name, []).append(seconds)
        return found

    def _mine(self, column: sa.ColumnElement[str]) -> tuple[sa.ColumnElement[bool], ...]:
        return () if self._reviewer is None else (column == self._reviewer,)


def _count(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((which, 1)))
