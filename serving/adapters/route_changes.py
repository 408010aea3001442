"""Noticing that the routes may have changed: PostgreSQL tells, anything else is looked at."""

import time
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from registry.adapters.database.engine import Database
from registry.adapters.database.routes import ROUTES_CHANNEL

_log = structlog.get_logger(__name__)


class RouteChanges(Protocol):
    """What whoever follows the routes waits for; used by one thread."""

    def wait(self, seconds: float) -> bool:
        """Return after this time, or as soon as a change is told; whether to look now."""

    def close(self) -> None:
        """Listen no more."""


def route_changes(database: Database) -> RouteChanges:
    """What this database can do."""
    return NobodyTells() if database.is_sqlite else Listening(database)


class NobodyTells:
    """Implements RouteChanges where only looking helps."""

    def wait(self, seconds: float) -> bool:
        """Look every time."""
        time.sleep(seconds)
        return True

    def close(self) -> None:
        """Nothing is open."""


class Listening:
    """Implements RouteChanges by LISTEN, on a connection of its own.

    While there is none, it says to look every time. Between two connections changes are told to
    nobody, so a new one says to look as well.
    """

    def __init__(self, database: Database, channel: str = ROUTES_CHANNEL) -> None:
        self._engine = database.engine
        self._channel = channel
        self._connection: Any = None
        self._lost = False

    def wait(self, seconds: float) -> bool:
        """Whether something was told, or may have been."""
        try:
            if self._connection is None:
                self._connection = self._listen()
                return True
            told = self._connection.notifies(timeout=seconds, stop_after=1)
            return bool(list(told))
        except (sa.exc.SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            self._lose(error)
            time.sleep(seconds)
            return True

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(self._engine.dialect.loaded_dbapi.Error):
                connection.close()

    def _listen(self) -> Any:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()  # it stays ours, whatever becomes of the pool
        try:
            connection.autocommit = True
            connection.execute(f"LISTEN {self._channel}")
        except BaseException:
            connection.close()
            raise
        if self._lost:
            self._lost = False
            _log.info("changes of routes are told again")
        return connection

    def _lose(self, error: Exception) -> None:
        self.close()
        if not self._lost:
            self._lost = True
            _log.warning("changes of routes are not told, but looked for", error=str(error))
