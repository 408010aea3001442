"""Counting what a replica sees of one version, until the counts are drained into a window.

The replica's detector sees every input, too, and goes on from window to window.
"""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np

from monitoring.domain.detector import LONGEST_GROWTH, Detector, places_of, signals_of
from monitoring.domain.input_statistics import input_statistics
from monitoring.domain.inputs import Inputs, NewestInputs, join
from monitoring.domain.out_of_domain import OutOfDomain
from monitoring.domain.profile import Profile, output_values, score_values
from monitoring.domain.reference import Reference
from monitoring.domain.window import LiveWindow, WindowCounts
from registry.domain.observations import Observations

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTED_AT_ONCE = 256  # inputs


class WindowRecorder:
    """Adds up batches of one version on one replica; may be called from many threads.

    rng: breaks the ties of the detector.
    """

    def __init__(
        self,
        reference: Reference,
        model: str,
        version: int,
        replica: str,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._reference = reference
        self._detector = Detector(signals_of(reference.profile))
        self._rng = rng or np.random.default_rng()
        self._model, self._version, self._replica = model, version, replica
        self._newest = NewestInputs(LONGEST_GROWTH)
        self._lock = threading.Lock()
        self._counts = WindowCounts()
        self._waiting: list[tuple[datetime, Inputs]] = []
        self._rows_waiting = 0
        self._started_at: datetime | None = None
        self._last_epoch = 0

    def observe(
        self, observations: Observations, scored: OutOfDomain | None, now: datetime
    ) -> None:
        """Count a batch; `scored` is what the version's scorer said of it, if it has one."""
        if not len(observations):
            return
        inputs = inputs_of(self._reference.profile, observations, scored)
        with self._lock:
            self._started_at = self._started_at or now
            self._waiting.append((now, inputs))
            self._rows_waiting += len(inputs)
            if self._rows_waiting >= _COUNTED_AT_ONCE:
                self._count()

    def drain(self, now: datetime) -> LiveWindow | None:
        """The counts since the last drain, as a window of its own epoch; None if there are none.

        An epoch is the microsecond in which its window began, so that a replica that starts again
        under the same name goes on with new ones.
        """
        with self._lock:
            self._count()
            counts, started_at = self._counts, self._started_at
            if started_at is None:
                return None
            self._counts, self._started_at = WindowCounts(), None
            began = (started_at - _EPOCH) // timedelta(microseconds=1)
            self._last_epoch = epoch = max(began, self._last_epoch + 1)
            report = self._detector.report()
            newest, grown_for = self._newest, report.grown_for
            growth = newest.since(self._reference, grown_for) if grown_for else None
        return LiveWindow(
            self._model,
            self._version,
            self._replica,
            epoch,
            min(started_at, now),  # the clock may have been set back
            now,
            counts,
            report.evidence,
            growth,
        )

    def _count(self) -> None:
        """Count what waits, all at once: small batches cost nearly as much as large ones."""
        if not self._waiting:
            return
        waiting, self._waiting, self._rows_waiting = self._waiting, [], 0
        began, inputs = waiting[0][0], join([batch for _, batch in waiting])
        signals = self._detector.signals
        places = places_of(self._reference.profile, signals, inputs.values, inputs.classes)
        if places is not None:
            self._detector.see(places, self._rng.random(places.shape))
            self._newest.add(inputs, began)
        self._counts += inputs.count(self._reference)


def inputs_of(profile: Profile, observations: Observations, scored: OutOfDomain | None) -> Inputs:
    """The values of a batch by feature name; scores and p-values only if there are any."""
    values = {
        **input_statistics(observations, scored.appearance if scored else None),
        **output_values(profile.labels, observations.probabilities),
        **(score_values(scored) if scored else {}),
    }
    p_values = scored.p_values if scored else np.zeros(0)
    return Inputs(values, observations.probabilities.argmax(axis=1), p_values)
