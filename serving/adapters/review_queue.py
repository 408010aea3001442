"""The review queue in the database: leases with a fencing epoch.

A new claim raises the epoch, and nothing else does. So whoever answers with the present epoch
answers before anybody else has taken the item, even if the lease has run out meanwhile.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.dialect import insert
from registry.domain.errors import NotFound
from registry.domain.stages import Stage
from serving.adapters.rows import flags_in, flags_out, label_in, label_out
from serving.adapters.tables import prediction, review_decision, review_skip
from serving.adapters.tables import review_item as t
from serving.domain.prediction import Prediction, Status
from serving.domain.review import (
    Item,
    ItemState,
    Opinion,
    Presentation,
    Verdict,
    audit_key,
)

_OPEN = (ItemState.READY.value, ItemState.LEASED.value)
_REAPED_AT_ONCE = 50


class SqlReviewQueue:
    """Implements serving.ports.ReviewQueue."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, item: Item) -> None:
        """Put an item in the queue."""
        self._connection.execute(sa.insert(t), [_values(item)])

    def get(self, item_id: str) -> Item:
        """One item; NotFound if there is none."""
        found = self._first(sa.select(t).where(t.c.id == item_id))
        if found is None:
            raise NotFound(f"There is no review item {item_id!r}.")
        return found

    def find(self, *, state: ItemState | None, model: str | None, limit: int) -> tuple[Item, ...]:
        """Items in the order of the queue."""
        query = sa.select(t).where(*_of(model))
        if state is not None:
            query = query.where(t.c.state == state)
        query = query.order_by(t.c.sort_key, t.c.id).limit(limit)
        return tuple(_item(row) for row in self._connection.execute(query))

    def held_by(self, reviewer: str, model: str | None, now: datetime) -> Item | None:
        """The item that a reviewer has a live lease on."""
        mine = (t.c.state == ItemState.LEASED, t.c.holder == reviewer, t.c.lease_until > now)
        query = sa.select(t).where(*mine, *_of(model)).order_by(t.c.sort_key, t.c.id)
        return self._first(query.limit(1))

    def claim(
        self, reviewer: str, model: str | None, now: datetime, until: datetime
    ) -> Item | None:
        """Lease the first item that is free; no two reviewers get the same one.

        On PostgreSQL rows that another transaction is claiming are passed over; on SQLite this
        transaction holds the only write lock.
        """
        self._reap(now)
        passed_on = sa.exists().where(
            review_skip.c.item_id == t.c.id, review_skip.c.reviewer == reviewer
        )
        free = sa.select(t.c.id).where(t.c.state == ItemState.READY, ~passed_on, *_of(model))
        first = free.order_by(t.c.sort_key, t.c.id).limit(1).with_for_update(skip_locked=True)
        item_id = self._connection.execute(first).scalar()
        if item_id is None:
            return None
        self._connection.execute(
            sa.update(t)
            .where(t.c.id == item_id)
            .values(
                state=ItemState.LEASED,
                holder=reviewer,
                epoch=t.c.epoch + 1,
                lease_until=until,
            )
        )
        return self.get(item_id)

    def renew(self, item_id: str, reviewer: str, epoch: int, until: datetime) -> bool:
        """Keep a lease longer, if it is still held."""
        return self._change(item_id, reviewer, epoch, state=ItemState.LEASED, lease_until=until)

    def finish(self, verdict: Verdict, now: datetime) -> bool:
        """Close an item, if nobody else has taken it since this epoch."""
        return self._change(
            verdict.item_id,
            verdict.reviewer,
            verdict.epoch,
            state=ItemState.DECIDED,
            lease_until=None,
            decided_at=now,
        )

    def release(self, item_id: str, reviewer: str, epoch: int, reason: str, now: datetime) -> bool:
        """Give an item back and do not offer it to this reviewer again."""
        gone = {"state": ItemState.READY, "holder": None, "lease_until": None}
        if not self._change(item_id, reviewer, epoch, **gone):
            return False
        values = {"item_id": item_id, "reviewer": reviewer, "reason": reason, "at": now}
        self._connection.execute(
            insert(self._connection, review_skip).values(values).on_conflict_do_nothing()
        )
        return True

    def withdraw(self, prediction: Prediction, now: datetime) -> None:
        """Nobody waits any more: the item stays for what it teaches, or goes if it is nothing."""
        open_item = sa.update(t).where(t.c.prediction_id == prediction.id, t.c.state.in_(_OPEN))
        gone = {"state": ItemState.CANCELLED, "lease_until": None, "decided_at": now}
        self._connection.execute(open_item.where(t.c.version.is_(None)).values(gone))
        last = audit_key(prediction.random_number)
        self._connection.execute(open_item.where(t.c.version.is_not(None)).values(sort_key=last))

    def opinion(self, verdict: Verdict) -> Opinion | None:
        """What the reviewer has said about the item under the verdict's key before."""
        d = review_decision
        same = (
            d.c.item_id == verdict.item_id,
            d.c.reviewer == verdict.reviewer,
            d.c.idempotency_key == verdict.idempotency_key,
        )
        row = self._connection.execute(sa.select(d).where(*same)).first()
        if row is None:
            return None
        said = Verdict(
            row.item_id, row.reviewer, row.epoch, row.label, row.comment, row.idempotency_key
        )
        return Opinion(said, row.counted, row.decided_at)

    def add_opinion(self, opinion: Opinion) -> bool:
        """Append a reviewer's answer, unless they sent it before."""
        verdict = opinion.verdict
        stored = self._connection.execute(
            insert(self._connection, review_decision)
            .values(
                item_id=verdict.item_id,
                reviewer=verdict.reviewer,
                epoch=verdict.epoch,
                label=verdict.label,
                comment=verdict.comment,
                counted=opinion.counted,
                idempotency_key=verdict.idempotency_key,
                decided_at=opinion.decided_at,
            )
            .on_conflict_do_nothing()
            .returning(review_decision.c.id)
        )
        return stored.first() is not None

    def stats(self, now: datetime) -> Mapping[str, Any]:
        """How many items wait, since when and why."""
        waiting = self._connection.execute(_waiting_by_reason()).all()
        decided = sa.select(sa.func.count()).where(t.c.state == ItemState.DECIDED)
        oldest = min((row.oldest for row in waiting), default=now)
        return {
            "open": sum(row.items for row in waiting),
            "oldest_seconds": max(0.0, (now - oldest).total_seconds()),
            "held": sum(row.held for row in waiting),
            "decided": self._connection.execute(decided).scalar_one(),
            "by_reason": {row.code or "none": row.items for row in waiting},
        }

    def waiting(self, model: str | None) -> int:
        """How many items wait."""
        query = sa.select(sa.func.count()).select_from(t).where(t.c.state.in_(_OPEN), *_of(model))
        return self._connection.execute(query).scalar_one()

    def _reap(self, now: datetime) -> None:
        """Leases that have run out become free; holder and epoch stay, so a late answer counts."""
        out = sa.select(t.c.id).where(t.c.state == ItemState.LEASED, t.c.lease_until <= now)
        out = out.limit(_REAPED_AT_ONCE).with_for_update(skip_locked=True)
        ids = self._connection.execute(out).scalars().all()
        if ids:
            ready = sa.update(t).where(t.c.id.in_(ids)).values(state=ItemState.READY)
            self._connection.execute(ready)

    def _change(self, item_id: str, reviewer: str, epoch: int, **values: object) -> bool:
        changed = self._connection.execute(
            sa.update(t)
            .where(
                t.c.id == item_id,
                t.c.holder == reviewer,
                t.c.epoch == epoch,
                t.c.state.in_(_OPEN),
            )
            .values(**values)
        )
        return changed.rowcount == 1

    def _first(self, query: sa.Select[Any]) -> Item | None:
        row = self._connection.execute(query).first()
        return None if row is None else _item(row)


def _waiting_by_reason() -> sa.Select[Any]:
    """Counts of open items by their first reason; a queue may be long, so the database counts."""
    held = sa.case((prediction.c.status == Status.HELD, 1), else_=0).label("held")
    open_items = (
        sa.select(t.c.reasons[0]["code"].as_string().label("code"), t.c.created_at, held)
        .join(prediction, prediction.c.id == t.c.prediction_id)
        .where(t.c.state.in_(_OPEN))
        .subquery()
    )
    return sa.select(
        open_items.c.code,
        sa.func.count().label("items"),
        sa.func.sum(open_items.c.held).label("held"),
        sa.func.min(open_items.c.created_at).label("oldest"),
    ).group_by(open_items.c.code)


def _of(model: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return () if model is None else (t.c.model == model,)


def _values(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "prediction_id": item.prediction_id,
        "model": item.model,
        "version": item.version,
        "stage": item.stage,
        "reasons": flags_out(item.reasons),
        "labels": list(item.labels),
        "model_answer": label_out(item.model_answer),
        "presentation": item.presentation,
        "sort_key": item.sort_key,
        "state": item.state,
        "holder": item.holder,
        "epoch": item.epoch,
        "lease_until": item.lease_until,
        "due_at": item.due_at,
        "created_at": item.created_at,
        "decided_at": item.decided_at,
    }


def _item(row: Any) -> Item:
    return Item(
        id=row.id,
        prediction_id=row.prediction_id,
        model=row.model,
        version=row.version,
        stage=Stage(row.stage),
        reasons=flags_in(row.reasons),
        labels=tuple(row.labels),
        model_answer=label_in(row.model_answer),
        presentation=Presentation(row.presentation),
        sort_key=row.sort_key,
        state=ItemState(row.state),
        holder=row.holder,
        epoch=row.epoch,
        lease_until=row.lease_until,
        due_at=row.due_at,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )
