"""Which observations are named in the metrics, so that a slow one can be looked up."""

import time
from collections.abc import Callable, Mapping

SLOW_SECONDS, EVERY_SECONDS = 0.1, 0.1


class Exemplars:
    """Names each slow observation, and of the others one now and then: naming takes time.

    A histogram keeps the last one of each bucket, so their number is bounded by that of buckets.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._named_at = -EVERY_SECONDS

    def name(self, seconds: float, names: Mapping[str, str]) -> dict[str, str] | None:
        """These names without those that are empty, or None if this one is not named."""
        now = self._clock()
        if seconds < SLOW_SECONDS and now - self._named_at < EVERY_SECONDS:
            return None
        self._named_at = now
        return {name: value for name, value in names.items() if value}
