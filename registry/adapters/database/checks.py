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
            "waiting": check.waiting,
            "due_at": check.due_at,
        }
        self._connection.execute(
            insert(self._connection, reviewer_check).values(values).on_conflict_do_nothing()
        )

    def answer(self, check: ReviewerCheck) -> None:
        """What somebody answered to an item that was asked for; the first answer in time stays.

        check.at: when they did. Items from before checks were kept since then are appended.
        """
        t, now = reviewer_check.c, check.at
        this = (t.item_id == check.item_id, t.kind == check.kind.value)
        asked = sa.select(sa.func.count()).select_from(reviewer_check).where(*this)
        if not self._connection.execute(asked).scalar_one():
            self.add(check)
            return
        said = {"reviewer": check.reviewer, "agreed": check.agreed, "waiting": False}
        update = sa.update(reviewer_check).where(*this, *_open(now))
        self._connection.execute(update.values(said))

    def read(self, model: str, since: datetime) -> tuple[ReviewerCheck, ...]:
        """The checks of a model's items that were asked for from a moment on, oldest first."""
        t = reviewer_check
        rows = self._connection.execute(sa.select(t).where(*_of(model, since)).order_by(t.c.id))
        return tuple(_check(row) for row in rows)

    def tally(self, model: str, since: datetime, now: datetime) -> ReviewerTally:
        """The same as numbers: those before the first that is open."""
        c = reviewer_check.c
        frontier = sa.select(sa.func.min(c.id)).where(*_of(model, since), *_open(now))
        first = self._connection.execute(frontier).scalar()
        known, wrong = c.model_was_right.is_(False), c.agreed.is_(False)
        counted = (sa.true(), wrong & ~c.waiting, known, known & wrong, c.waiting)
        query = sa.select(*(sa.func.count(sa.case((which, 1))) for which in counted))
        query = query.where(*_of(model, since))
        before = query if first is None else query.where(c.id < first)
        return ReviewerTally(*map(int, self._connection.execute(before).one()))


def _open(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    c = reviewer_check.c
    return c.waiting, c.due_at.is_(None) | (c.due_at > now)


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
        waiting=row.waiting,
        due_at=row.due_at,
    )
