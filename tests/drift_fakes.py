"""What check_drift reads and keeps, in memory, and streams of inputs that are checked."""

from datetime import UTC, datetime, timedelta

import numpy as np
from synthetic import BLOCKS, LABELS, a_world

from monitoring.domain import profile as profiles
from monitoring.domain import scorer_file
from monitoring.domain.alert import Alert, AlertKind
from monitoring.domain.episode import Reading
from monitoring.domain.reference import PROFILE_FILE, SCORER_FILE, Reference
from monitoring.domain.window import LiveWindow, WindowCounts
from monitoring.services.check_drift import check_drift, keep_measurement
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import WindowRecorder
from monitoring.services.measure_drift import DriftCheck
from registry.domain.evidence import CLOCKS_DIFFER, DriftMeasurement
from registry.domain.observations import Observations

WORLD = a_world()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fitted(held_out: int = 400, seed: int = 1) -> dict[str, bytes]:
    """The files of 800 training images and some held-out ones."""
    draw = np.random.default_rng(seed)
    seen = ([WORLD.draw(800, draw)], [WORLD.draw(held_out, draw)])
    return dict(MonitoringReferenceFitter().fit(LABELS, BLOCKS, *seen))


def a_reference(seed: int = 1) -> Reference:
    """800 training images, 400 held-out ones."""
    files = fitted(seed=seed)
    profile = profiles.from_json(files[PROFILE_FILE])
    return Reference(profile, scorer_file.from_bytes(files[SCORER_FILE]))


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

    def last(self, model: str, version: int, rows: int, now: datetime) -> list[LiveWindow]:
        chosen: list[LiveWindow] = []
        for window in reversed(self._told(now)):
            if sum(w.rows for w in chosen) >= rows:
                break
            chosen.append(window)
        return chosen

    def readings(self, model: str, version: int, moment: datetime, now: datetime) -> list[Reading]:
        after = [w for w in self._told(now) if w.ended_at > moment]
        return [Reading(w.replica, w.ended_at, w.shift_evidence) for w in after]

    def _told(self, now: datetime) -> list[LiveWindow]:
        told = [w for w in self.kept if w.ended_at <= now + CLOCKS_DIFFER]
        return sorted(told, key=lambda w: w.ended_at)


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


class Stream:
    """A version on one replica that sees one batch a step and is checked after each."""

    def __init__(
        self,
        reference: Reference,
        check: DriftCheck | None = None,
        step: timedelta = timedelta(minutes=1),
    ) -> None:
        self.step = step
        self.drift, self.windows, self.alerts = KeptDrift(), KeptWindows(), KeptAlerts()
        self.reference, self.check, self.now = reference, check or DriftCheck(), NOW
        self.recorder = WindowRecorder(reference, "waste", 1, "a", np.random.default_rng(99))

    def see(self, seen: Observations) -> DriftMeasurement | None:
        self.now += self.step
        assert self.reference.scorer is not None
        scored = self.reference.scorer.score(seen)
        self.recorder.observe(seen, scored, self.now - self.step / 2)
        window = self.recorder.drain(self.now)
        assert window is not None
        self.windows.add(window)
        return self.measure()

    def measure(self, wanted_since: datetime | None = None) -> DriftMeasurement | None:
        measured = check_drift(
            self.drift, self.windows, self.reference, "waste", 1, self.now, self.check, wanted_since
        )
        if measured is not None:
            keep_measurement(self.drift, self.alerts, measured)
        return measured

    @property
    def newest(self) -> DriftMeasurement:
        return self.drift.kept[-1]
