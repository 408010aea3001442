"""What seeing a model's answer does to reviewers, counted and kept in the database."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from serving.adapters.review_tables import review_bias as b
from serving.adapters.review_tables import review_decision, review_slot
from serving.adapters.review_tables import review_item as t
from serving.domain.bias import Accepted, Standing, Trials
from serving.domain.review import ItemState, Presentation, Queue, Source

_SAID = t.c.model_answer["prediction"].as_string()
_TRUTH = t.c.outcome["prediction"].as_string()
_SETTLED = (Source.AGREED.value, Source.ADJUDICATED.value)
_ARMS = (Presentation.SHOWN.value, Presentation.BLIND.value)


class SqlReviewBias:
    """Implements serving.ports.ReviewBias."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def fallen_back(self, model: str) -> bool:
        """Whether its answers are shown after the reviewers' own, whatever the plan says."""
        since = sa.select(b.c.fallen_back_at).where(b.c.model == model)
        return self._connection.execute(since).scalar() is not None

    def standing(self, model: str) -> Standing | None:
        """What was measured last; None if nothing was."""
        row = self._connection.execute(sa.select(b).where(b.c.model == model)).first()
        if row is None:
            return None
        each = row.measured.get("trials", ())  # before they were compared with their like: none
        trials = tuple(Trials(*(Accepted(*arm) for arm in arms)) for arms in each)
        return Standing(trials, row.at_most, row.measured_at, row.fallen_back_at)

    def keep(self, model: str, standing: Standing) -> None:
        """Store what was measured."""
        arms = [(each.shown, each.blind) for each in standing.trials]
        values = {
            "fallen_back_at": standing.fallen_back_at,
            "at_most": standing.at_most,
            "measured": {"trials": [[[one.errors, one.accepted] for one in both] for both in arms]},
            "measured_at": standing.at,
        }
        new = insert(self._connection, b).values(model=model, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=["model"], set_=values))

    def trials(self, model: str, since: datetime) -> tuple[Trials, ...]:
        """What became of its errors, for each kind of item that was drawn alike.

        Whether an item shows the answer is drawn with one chance for all of a version, a stage and
        some reasons. Counted are the errors that the second person found, who never saw it: what
        the first one said has no say in that, whichever way they were asked.
        """
        kinds: dict[tuple[Any, ...], dict[str, Accepted]] = {}
        for row in self._errors(model, since):
            kind = (row.version, row.stage, row.codes)
            arms = kinds.setdefault(kind, dict.fromkeys(_ARMS, Accepted()))
            arms[row.presentation] += Accepted(1, int(row.label == row.said))
        return tuple(Trials(*(arms[how] for how in _ARMS)) for _, arms in sorted(kinds.items()))

    def _errors(self, model: str, since: datetime) -> sa.CursorResult[Any]:
        """Each item of the trials on which the model was wrong, with the first person's answer."""
        first, second = (_opinion(number) for number in (1, 2))
        wrong = (
            t.c.model == model, t.c.created_at >= since, t.c.state == ItemState.DECIDED.value,
            t.c.source.in_(_SETTLED), t.c.plants.is_not(None), t.c.gold_of.is_(None),
            t.c.queue == Queue.WORK.value, t.c.presentation.in_(_ARMS), _SAID.is_not(None),
            _TRUTH.is_distinct_from(_SAID), second.c.label.is_distinct_from(_SAID),
        )  # fmt: skip
        kind = (t.c.version, t.c.stage, t.c.codes, t.c.presentation)
        query = sa.select(*kind, first.c.label, _SAID.label("said")).where(*wrong)
        query = query.join(first, first.c.item_id == t.c.id)
        return self._connection.execute(query.join(second, second.c.item_id == t.c.id))


def _opinion(number: int) -> sa.Subquery:
    """What stands as the answer to one slot of an item, if no lead gave it."""
    s, d = review_slot.alias(), review_decision.alias()
    stands = sa.select(s.c.item_id, d.c.label).join(d, d.c.id == s.c.decision_id)
    return stands.where(s.c.number == number, d.c.queue != Queue.LEAD.value).subquery()
