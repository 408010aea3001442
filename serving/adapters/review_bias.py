"""What seeing a model's answer does to reviewers, counted and kept in the database."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from serving.adapters.review_tables import review_bias as b
from serving.adapters.review_tables import review_decision as d
from serving.adapters.review_tables import review_item as t
from serving.domain.bias import Accepted, Standing
from serving.domain.review import ItemState, Presentation, Queue, Source, presented

_SAID = t.c.model_answer["prediction"].as_string()
_TRUTH = sa.case(
    (t.c.gold_of.is_not(None), t.c.truth["prediction"].as_string()),
    else_=t.c.outcome["prediction"].as_string(),
)
_SETTLED = (Source.AGREED.value, Source.ADJUDICATED.value)


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
        shown, blind = (Accepted(*row.measured[arm]) for arm in ("shown", "blind"))
        return Standing(shown, blind, row.at_most, row.measured_at, row.fallen_back_at)

    def keep(self, model: str, standing: Standing) -> None:
        """Store what was measured."""
        arms = {"shown": standing.shown, "blind": standing.blind}
        values = {
            "fallen_back_at": standing.fallen_back_at,
            "at_most": standing.at_most,
            "measured": {arm: [some.errors, some.accepted] for arm, some in arms.items()},
            "measured_at": standing.at,
        }
        new = insert(self._connection, b).values(model=model, **values)
        self._connection.execute(new.on_conflict_do_update(index_elements=["model"], set_=values))

    def accepted(self, model: str, since: datetime) -> tuple[Accepted, Accepted]:
        """How many of its known errors were accepted: when it was shown, and when not.

        The truth of gold items is known, that of others once two people agree or a lead has
        judged. What each person said first counts: where the model's answer comes after the
        reviewer's own, that was said without it.
        """
        shown, blind = [0, 0], [0, 0]
        for row in self._firsts(model, since):
            how = presented(Presentation(row.presentation), row.slot, Queue(row.queue))
            arm = shown if how is Presentation.SHOWN else blind
            arm[0] += 1
            arm[1] += row.label == row.said
        return Accepted(*shown), Accepted(*blind)

    def _firsts(self, model: str, since: datetime) -> list[Any]:
        """The first answer to each slot of an item on which the model is known to be wrong."""
        known = sa.or_(t.c.gold_of.is_not(None), t.c.source.in_(_SETTLED))
        wrong = (
            t.c.model == model, t.c.created_at >= since, t.c.state == ItemState.DECIDED.value,
            known, _SAID.is_not(None), _TRUTH.is_distinct_from(_SAID),
        )  # fmt: skip
        query = (
            sa.select(
                d.c.item_id, d.c.slot, d.c.queue, d.c.label, t.c.presentation, _SAID.label("said")
            )
            .join(t, t.c.id == d.c.item_id)
            .where(*wrong, d.c.counted, d.c.queue != Queue.LEAD.value)
            .order_by(d.c.id)
        )
        firsts: dict[tuple[str, int], Any] = {}
        for row in self._connection.execute(query):
            firsts.setdefault((row.item_id, row.slot), row)
        return list(firsts.values())
