"""How each model's queues stand, and how fast and how well they are worked off."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_item as t
from serving.adapters.review_tables import review_slot as s
from serving.adapters.tables import prediction as p
from serving.domain.prediction import DecidedBy, Status
from serving.domain.review import ItemState, Queue, SlotState

_HOUR = timedelta(hours=1)
_GOING = (SlotState.READY.value, SlotState.LEASED.value, SlotState.SNOOZED.value)
Counts = dict[str, Any]


class SqlReviewQueues:
    """Reads counts by model and queue."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def counts(self, now: datetime, since: datetime) -> Mapping[tuple[str, str], Counts]:
        """By model and queue: what waits now, the last hour's answers, and since a moment:

        how many held requests were answered, how many of them by a fallback, and gold items. Held
        requests wait in the work queue.
        """
        found: dict[tuple[str, str], Counts] = {}
        for query in (self._waiting(now), self._answers(now), self._held(since), self._gold(since)):
            for model, queue, counts in _rows(self._connection.execute(query)):
                found.setdefault((model, queue), {}).update(counts)
        return found

    def _waiting(self, now: datetime) -> sa.Select[Any]:
        soon = sa.and_(t.c.due_at > now, t.c.due_at <= now + _HOUR)
        query = sa.select(
            t.c.model,
            s.c.queue,
            sa.func.count().label("waiting"),
            sa.func.min(t.c.created_at).label("oldest"),
            _count(s.c.state == SlotState.LEASED.value).label("in_review"),
            _count(soon).label("due_within_hour"),
            _count(t.c.due_at <= now).label("overdue"),
        ).join(t, t.c.id == s.c.item_id)
        return query.where(s.c.state.in_(_GOING)).group_by(t.c.model, s.c.queue)

    def _answers(self, now: datetime) -> sa.Select[Any]:
        query = sa.select(t.c.model, d.c.queue, sa.func.count().label("decisions_per_hour"))
        query = query.join(t, t.c.id == d.c.item_id)
        lately = (d.c.decided_at > now - _HOUR, d.c.counted, d.c.supersedes.is_(None))
        return query.where(*lately).group_by(t.c.model, d.c.queue)

    def _held(self, since: datetime) -> sa.Select[Any]:
        query = sa.select(
            p.c.model,
            sa.literal(Queue.WORK.value).label("queue"),
            sa.func.count().label("held"),
            _count(p.c.decided_by != DecidedBy.HUMAN.value).label("fallbacks"),
        )
        answered = (p.c.status == Status.FINAL.value, p.c.due_at >= since)
        return query.where(*answered).group_by(p.c.model)

    def _gold(self, since: datetime) -> sa.Select[Any]:
        right = (
            t.c.truth["prediction"]
            .as_string()
            .is_not_distinct_from(t.c.outcome["prediction"].as_string())
        )
        query = sa.select(
            t.c.model,
            t.c.queue,
            sa.func.count().label("gold"),
            _count(right).label("gold_right"),
        )
        known = (t.c.gold_of.is_not(None), t.c.state == ItemState.DECIDED.value)
        return query.where(*known, t.c.decided_at >= since).group_by(t.c.model, t.c.queue)


def _rows(result: sa.CursorResult[Any]) -> Iterator[tuple[str, str, Counts]]:
    for row in result.mappings():
        counts = dict(row)
        yield counts.pop("model"), counts.pop("queue"), counts


def _count(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((which, 1)))
