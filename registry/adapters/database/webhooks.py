"""Endpoints that want to be told, and what is on its way to them, in the database."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from registry.adapters.database.tables import webhook
from registry.adapters.database.tables import webhook_delivery as t
from registry.domain.errors import NotFound
from registry.domain.webhooks import Delivery, Endpoint, Form


class SqlWebhooks:
    """Implements registry.ports.Webhooks."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, endpoint: Endpoint) -> None:
        """Store a new endpoint."""
        self._connection.execute(sa.insert(webhook).values(_values(endpoint)))

    def get(self, endpoint_id: str) -> Endpoint:
        """One endpoint; NotFound if there is none."""
        query = sa.select(webhook).where(webhook.c.id == endpoint_id)
        row = self._connection.execute(query).first()
        if row is None:
            raise NotFound(
                f"there is no webhook {endpoint_id!r}; `stagegate webhook list` names all"
            )
        return _endpoint(row)

    def list(self) -> tuple[Endpoint, ...]:
        """All endpoints, the oldest first."""
        query = sa.select(webhook).order_by(webhook.c.created_at, webhook.c.id)
        return tuple(_endpoint(row) for row in self._connection.execute(query))

    def save(self, endpoint: Endpoint) -> None:
        """Store what has changed."""
        here = webhook.c.id == endpoint.id
        self._connection.execute(sa.update(webhook).where(here).values(_values(endpoint)))

    def remove(self, endpoint_id: str) -> None:
        """Forget an endpoint and everything that is on its way to it."""
        self._connection.execute(sa.delete(webhook).where(webhook.c.id == endpoint_id))

    def send(self, delivery: Delivery) -> None:
        """Put a new delivery at the end of its endpoint's queue; its id is given here."""
        self._connection.execute(sa.insert(t).values(_state(delivery)))

    def first(self, endpoint_id: str, *, lock: bool = False) -> Delivery | None:
        """The oldest delivery that has not arrived; locked until the transaction ends."""
        here = (t.c.endpoint_id == endpoint_id, t.c.delivered_at.is_(None))
        query = sa.select(t).where(*here).order_by(t.c.id).limit(1)
        row = self._connection.execute(query.with_for_update() if lock else query).first()
        return None if row is None else Delivery(**row._mapping)

    def deliveries(
        self, endpoint_id: str, since: datetime | None = None, limit: int | None = None
    ) -> tuple[Delivery, ...]:
        """Deliveries made since a moment, oldest first; with a limit, the last ones."""
        query = sa.select(t).where(t.c.endpoint_id == endpoint_id)
        if since is not None:
            query = query.where(t.c.created_at >= since)
        rows = self._connection.execute(query.order_by(t.c.id.desc()).limit(limit)).all()
        return tuple(Delivery(**row._mapping) for row in reversed(rows))

    def settle(self, delivery: Delivery) -> None:
        """Store how a delivery stands now."""
        self._connection.execute(sa.update(t).where(t.c.id == delivery.id).values(_state(delivery)))

    def waiting(self) -> Mapping[str, int]:
        """How many deliveries have not arrived, by endpoint."""
        rows = self._connection.execute(
            sa.select(t.c.endpoint_id, sa.func.count())
            .where(t.c.delivered_at.is_(None))
            .group_by(t.c.endpoint_id)
        )
        return {row[0]: row[1] for row in rows}

    def forget(self, before: datetime) -> None:
        """Delete the deliveries that were made before a moment."""
        self._connection.execute(sa.delete(t).where(t.c.created_at < before))


def _values(endpoint: Endpoint) -> dict[str, Any]:
    lists = {"events": list(endpoint.events), "models": list(endpoint.models)}
    return {**asdict(endpoint), "form": endpoint.form.value, **lists}


def _endpoint(row: Any) -> Endpoint:
    lists = {"events": tuple(row.events), "models": tuple(row.models)}
    return Endpoint(**{**row._mapping, "form": Form(row.form), **lists})


def _state(delivery: Delivery) -> dict[str, Any]:
    values = asdict(delivery)
    del values["id"]
    return values
