"""Checks of the reviewers' own work, in the database."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.adapters.database.tables import reviewer_check
from registry.domain.evidence import CheckKind, ReviewerCheck, ReviewerTally


class SqlChecks:
    """Implements registry.ports.Checks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, check: ReviewerCheck) -> None:
        """Append one; the same kind of check of one item and reviewer counts once."""
        values = {
            "kind": check.kind.value,
            "model": check.model,
            "rollout_id": check.rollout_id,
            "item_id": check.item_id,
            "reviewer": check.reviewer,
            "model_was_right": check.model_was_right,
            "agreed": check.agreed,
            "at": check.at,
        }
        self._connection.execute(
            insert(self._connection, reviewer_check).values(values).on_conflict_do_nothing()
        )

    def read(self, model: str, since: datetime) -> tuple[ReviewerCheck, ...]:
        """The checks made on a model's items from a moment on, oldest first."""
        t = reviewer_check
        rows = self._connection.execute(sa.select(t).where(*_of(model, since)).order_by(t.c.id))
        return tuple(_check(row) for row in rows)

    def tally(self, model: str, since: datetime) -> ReviewerTally:
        """The same as numbers."""
        c = reviewer_check.c
        gold, wrong = c.kind == CheckKind.GOLD.value, c.agreed.is_(False)
        known = gold & c.model_was_right.is_(False)
        counted = (gold, gold & wrong, known, known & wrong)
        query = sa.select(*(sa.func.count(sa.case((which, 1))) for which in counted))
        numbers = self._connection.execute(query.where(*_of(model, since))).one()
        return ReviewerTally(*map(int, numbers))


def _of(model: str, since: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    c = reviewer_check.c
    return c.model == model, c.at >= since, c.kind == CheckKind.GOLD.value


def _check(row: Any) -> ReviewerCheck:
    return ReviewerCheck(
        kind=CheckKind(row.kind),
        model=row.model,
        item_id=row.item_id,
        reviewer=row.reviewer,
        agreed=row.agreed,
        at=row.at,
        rollout_id=row.rollout_id,
        model_was_right=row.model_was_right,
    )
