"""What monitoring's use cases ask of the world; adapters implement it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from monitoring.domain.alert import Alert, AlertKind
from monitoring.domain.episode import Reading
from monitoring.domain.reference import Reference
from monitoring.domain.window import LiveWindow
from registry.domain.versions import ModelVersion


class Windows(Protocol):
    """Live windows, each stored once."""

    def add(self, window: LiveWindow) -> None:
        """Store a window; one of the same replica and epoch changes nothing."""

    def since(self, model: str, version: int, moment: datetime) -> Sequence[LiveWindow]:
        """Windows that ended after a moment, the newest first."""

    def last(self, model: str, version: int, rows: int, now: datetime) -> Sequence[LiveWindow]:
        """The newest windows, as many as it takes to hold `rows` inputs; the newest first.

        What is said to have ended later than now was said by a clock that was set back since, and
        is left out.
        """

    def readings(
        self, model: str, version: int, moment: datetime, now: datetime
    ) -> Sequence[Reading]:
        """Where the replicas' detectors stood from a moment until now; oldest first."""


class Alerts(Protocol):
    """Alerts; at most one is open for a model, version and kind."""

    def see(self, model: str, version: int, kind: AlertKind, sentence: str, now: datetime) -> bool:
        """Raise an alert, or renew the one that is open; says whether it is new."""

    def clear(self, model: str, version: int, kind: AlertKind, now: datetime) -> bool:
        """Close the open alert; says whether there was one."""

    def recent(self, model: str | None = None, limit: int = 50) -> Sequence[Alert]:
        """Alerts, the newest first."""


class References(Protocol):
    """The references of registered versions."""

    def get(self, version: ModelVersion) -> Reference:
        """A version's reference; NotFound if its bundle has none."""


class Reports(Protocol):
    """Pages that another tool makes of a drift document."""

    def render(self, drift: Mapping[str, Any]) -> bytes:
        """A self-contained HTML page; Unavailable if the tool is not there or busy."""
