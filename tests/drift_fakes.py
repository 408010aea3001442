"""What check_drift reads and keeps, in memory."""

from datetime import datetime, timedelta

from monitoring.domain.alert import Alert, AlertKind
from monitoring.domain.episode import Reading
from monitoring.domain.window import LiveWindow, WindowCounts
from registry.domain.evidence import DriftMeasurement


class KeptDrift:
    def __init__(self) -> None:
        self.kept: list[DriftMeasurement] = []

    def add(self, measurement: DriftMeasurement) -> None:
        self.kept.append(measurement)

    def recent(self, model: str, version: int, limit: int = 1) -> tuple[DriftMeasurement, ...]:
        return tuple(reversed(self.kept))[:limit]


class KeptWindows:
    def __init__(self) -> None:
        self.kept: list[LiveWindow] = []

    def add(self, window: LiveWindow) -> None:
        self.kept.append(window)

    def put(self, replica: str, evidence: float, at: datetime) -> None:
        """A window of another replica that counts no rows."""
        before = at - timedelta(seconds=1)
        epoch, nothing = len(self.kept), WindowCounts()
        self.kept.append(
            LiveWindow("waste", 1, replica, epoch, before, at, nothing, shift_evidence=evidence)
        )

    def since(self, model: str, version: int, moment: datetime) -> list[LiveWindow]:
        return [w for w in reversed(self.kept) if w.ended_at > moment]

    def last(self, model: str, version: int, rows: int) -> list[LiveWindow]:
        chosen: list[LiveWindow] = []
        for window in reversed(self.kept):
            if sum(w.rows for w in chosen) >= rows:
                break
            chosen.append(window)
        return chosen

    def readings(self, model: str, version: int, moment: datetime) -> list[Reading]:
        after = sorted((w for w in self.kept if w.ended_at > moment), key=lambda w: w.ended_at)
        return [Reading(w.replica, w.ended_at, w.shift_evidence) for w in after]


class KeptAlerts:
    def __init__(self) -> None:
        self.open: str | None = None
        self.raised = 0

    def see(self, model: str, version: int, kind: AlertKind, sentence: str, now: datetime) -> bool:
        new = self.open is None
        self.raised += new
        self.open = sentence
        return new

    def clear(self, model: str, version: int, kind: AlertKind, now: datetime) -> bool:
        was, self.open = self.open, None
        return was is not None

    def recent(self, model: str | None = None, limit: int = 50) -> list[Alert]:
        return []
