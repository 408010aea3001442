"""Which version is live for each model, and the clock that tells replicas to look again."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from registry.adapters.database.dialect import upsert
from registry.adapters.database.tables import live_version, routing_clock

_CLOCK = 1
# Where PostgreSQL tells whoever listens that the routes have changed.
ROUTES_CHANNEL = "stagegate_routes"


class SqlLiveVersions:
    """Implements registry.ports.LiveVersions."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def get(self, model: str) -> tuple[int | None, int | None]:
        """The live version and the one before it."""
        t = live_version
        row = self._connection.execute(
            sa.select(t.c.version, t.c.previous).where(t.c.model == model)
        ).first()
        return (None, None) if row is None else (row.version, row.previous)

    def put(self, model: str, version: int | None, previous: int | None, now: datetime) -> None:
        """Make a version live."""
        upsert(
            self._connection,
            live_version,
            {"model": model, "version": version, "previous": previous, "changed_at": now},
        )

    def all(self) -> Mapping[str, int | None]:
        """The live version of each model that ever had one."""
        return self._by_model(live_version.c.version)

    def all_previous(self) -> Mapping[str, int | None]:
        """The version before the live one, of each model that ever had one."""
        return self._by_model(live_version.c.previous)

    def _by_model(self, column: sa.Column[int | None]) -> Mapping[str, int | None]:
        query = sa.select(live_version.c.model, column).order_by(live_version.c.model)
        return {row[0]: row[1] for row in self._connection.execute(query)}


class SqlRoutingClock:
    """Implements registry.ports.RoutingClock."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def value(self) -> int:
        """The present value; 0 before the first route."""
        t = routing_clock
        return self._connection.execute(sa.select(t.c.value).where(t.c.id == _CLOCK)).scalar() or 0

    def tick(self) -> None:
        """Grow: replicas will read the routes again, on PostgreSQL told by the commit."""
        upsert(
            self._connection,
            routing_clock,
            {"id": _CLOCK, "value": 1},
            update={"value": routing_clock.c.value + 1},
        )
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.select(sa.func.pg_notify(ROUTES_CHANNEL, "")))
