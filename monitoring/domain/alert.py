"""An alert: something that a person should look at, until it is over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlertKind(StrEnum):
    """What an alert is about."""

    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Alert:
    """Open until `cleared_at`; `last_seen_at` is when its cause was last measured."""

    model: str
    version: int
    kind: AlertKind
    sentence: str
    raised_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None = None
