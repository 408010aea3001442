"""Documents that take long to make, kept for a while."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

_QUICK_SECONDS = 0.5


class Kept:
    """Each document is kept for twenty times as long as it took to make.

    Pages that refresh themselves ask again and again, and a queue of a million items is counted
    for seconds. What is made quickly is made anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._documents: dict[object, tuple[float, dict[str, Any]]] = {}
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The document, made by one caller at a time."""
        with self._lock:
            until, document = self._documents.get(key, (0.0, {}))
            began = self._clock()
            if began < until:
                return document
            document = make()
            took = self._clock() - began
            self._documents = {k: v for k, v in self._documents.items() if v[0] > began}
            if took > _QUICK_SECONDS:
                self._documents[key] = (began + 21 * took, document)
            return document
