"""Counting what a replica sees of one version, until the counts are drained into a window.

The replica's detector sees every input, too, and goes on from window to window.
"""

import threading
from datetime import UTC, datetime, timedelta

import numpy as np

from monitoring.domain.detector import LONGEST_GROWTH, Detector, places_of, signals_of
from monitoring.domain.input_statistics import input_statistics
from monitoring.domain.inputs import Inputs, NewestInputs
from monitoring.domain.out_of_domain import OutOfDomain
from monitoring.domain.profile import Profile, output_values, score_values
from monitoring.domain.reference import Reference
from monitoring.domain.window import LiveWindow, WindowCounts
from registry.domain.observations import Observations

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        self._profile = reference.profile
        self._detector = Detector(signals_of(reference.profile))
        self._rng = rng or np.random.default_rng()
        self._model, self._version, self._replica = model, version, replica
        self._newest = NewestInputs(LONGEST_GROWTH)
        self._lock = threading.Lock()
        self._counts = WindowCounts()
        self._started_at: datetime | None = None
        self._last_epoch = 0

    def observe(
        self, observations: Observations, scored: OutOfDomain | None, now: datetime
    ) -> None:
        """Count a batch; `scored` is what the version's scorer said of it, if it has one."""
        if not len(observations):
            return
        profile, inputs = self._profile, inputs_of(self._profile, observations, scored)
        counts = inputs.count(profile)
        places = places_of(profile, self._detector.signals, inputs.values, inputs.classes)
        with self._lock:
            if places is not None:
                self._detector.see(places, self._rng.random(places.shape))
                self._newest.add(inputs, now)
            self._counts += counts
            self._started_at = self._started_at or now

    def drain(self, now: datetime) -> LiveWindow | None:
        """The counts since the last drain, as a window of its own epoch; None if there are none.

        An epoch is the microsecond in which its window began, so that a replica that starts again
        under the same name goes on with new ones.
        """
        with self._lock:
            counts, started_at = self._counts, self._started_at
            if started_at is None:
                return None
            self._counts, self._started_at = WindowCounts(), None
            began = (started_at - _EPOCH) // timedelta(microseconds=1)
            self._last_epoch = epoch = max(began, self._last_epoch + 1)
            report = self._detector.report()
            newest, grown_for = self._newest, report.grown_for
            growth = newest.since(self._profile, grown_for) if grown_for else None
        return LiveWindow(
            self._model,
            self._version,
            self._replica,
            epoch,
            started_at,
            now,
            counts,
            report.evidence,
            growth,
        )


def inputs_of(profile: Profile, observations: Observations, scored: OutOfDomain | None) -> Inputs:
    """The values of a batch by feature name; scores and p-values only if there are any."""
    values = {
        **input_statistics(observations),
        **output_values(profile.labels, observations.probabilities),
        **(score_values(scored) if scored else {}),
    }
    p_values = scored.p_values if scored else np.zeros(0)
    return Inputs(values, observations.probabilities.argmax(axis=1), p_values)
