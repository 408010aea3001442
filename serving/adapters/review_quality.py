"""Counts of reviewed answers, and what several people said of one, read for estimates."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from serving.adapters.review_tables import PASSED_ON
from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_event as e
from serving.adapters.review_tables import review_item as t
from serving.domain.accuracy import Known
from serving.domain.quality import NONE_FITS, Stratum
from serving.domain.review import ItemState, Queue

Group = tuple[int | None, str, str]  # version, stage, queue

_SAID = t.c.model_answer["prediction"].as_string()
_FOUND = t.c.outcome["prediction"].as_string()
_TRUTH = t.c.truth["prediction"].as_string()
_DECIDED = t.c.state == ItemState.DECIDED.value
_OPEN = t.c.state.in_((ItemState.OPEN.value, ItemState.CLOSING.value))


class SqlReviewQuality:
    """Reads what one model's reviewed answers, or all models', say since a moment."""

    def __init__(self, connection: sa.Connection, model: str | None, since: datetime) -> None:
        self._connection = connection
        self._model = model
        self._since = since

    def strata(self, now: datetime) -> Mapping[Group, Sequence[Stratum]]:
        """Answers drawn for review, counted by version, stage and queue.

        What waits for audit is not lost when it is past due: its order is random.
        """
        passed_on = t.c.id.in_(sa.select(e.c.item_id).where(PASSED_ON))
        late = sa.and_(t.c.queue != Queue.AUDIT.value, t.c.due_at <= now)
        lost = sa.or_(t.c.state == ItemState.CANCELLED.value, _OPEN & sa.or_(passed_on, late))
        stratum = (t.c.version, t.c.stage, t.c.queue, t.c.codes, t.c.inclusion_probability)
        query = sa.select(
            *stratum,
            _count(_DECIDED).label("judged"),
            _count(_DECIDED & _FOUND.is_distinct_from(_SAID)).label("errors"),
            _count(lost).label("lost"),
            sa.func.count().label("drawn"),
        ).where(*self._answers(), t.c.gold_of.is_(None))
        found: dict[Group, list[Stratum]] = {}
        for row in self._connection.execute(query.group_by(*stratum)):
            waiting = row.drawn - row.judged - row.lost
            one = Stratum(
                row.codes, row.inclusion_probability, row.judged, row.errors, waiting, row.lost
            )
            found.setdefault((row.version, row.stage, row.queue), []).append(one)
        return found

    def known(self) -> Known:
        """How reviewers judged the model's answer where the truth was known: on gold items."""
        wrong, called_wrong = _TRUTH.is_distinct_from(_SAID), _FOUND.is_distinct_from(_SAID)
        counted = (wrong, wrong & called_wrong, ~wrong, ~wrong & ~called_wrong)
        query = sa.select(*(_count(which) for which in counted))
        gold = query.where(*self._answers(), t.c.gold_of.is_not(None), _DECIDED)
        return Known(*map(int, self._connection.execute(gold).one()))

    def opinions(self) -> Mapping[Group, Sequence[Sequence[tuple[str, str]]]]:
        """Items that several people answered: reviewer and first label of each, by group.

        The first label is the one given before the model's answer was shown; leads are left out,
        since they know that others disagree.
        """
        each = d.alias("each")
        counted = (d.c.counted, d.c.queue != Queue.LEAD.value)
        several = sa.select(each.c.item_id).where(
            each.c.slot > 1, each.c.counted, each.c.queue != Queue.LEAD.value,
            each.c.decided_at >= self._since,
        )  # fmt: skip
        query = (
            sa.select(d.c.item_id, d.c.slot, d.c.reviewer, d.c.label, *_GROUP)
            .join(t, t.c.id == d.c.item_id)
            .where(*counted, d.c.item_id.in_(several), t.c.gold_of.is_(None), *self._of_model())
            .order_by(d.c.item_id, d.c.slot, d.c.id)
        )
        items: dict[str, dict[int, tuple[str, str]]] = {}
        groups: dict[str, Group] = {}
        for row in self._connection.execute(query):
            groups[row.item_id] = (row.version, row.stage, row.of_queue)
            said = row.reviewer, NONE_FITS if row.label is None else row.label
            items.setdefault(row.item_id, {}).setdefault(row.slot, said)
        found: dict[Group, list[Sequence[tuple[str, str]]]] = {}
        for item, slots in items.items():
            found.setdefault(groups[item], []).append(tuple(slots.values()))
        return found

    def _answers(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Items of the model about an answer that it gave."""
        return *self._of_model(), t.c.created_at >= self._since, _SAID.is_not(None)

    def _of_model(self) -> tuple[sa.ColumnElement[bool], ...]:
        return () if self._model is None else (t.c.model == self._model,)


_GROUP = (t.c.version, t.c.stage, t.c.queue.label("of_queue"))


def _count(which: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((which, 1)))
