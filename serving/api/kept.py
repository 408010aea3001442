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
        self._locks: dict[object, Lock] = {}

    def get(self, key: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The document, made by one caller at a time; others get other documents meanwhile."""
        with self._locks.setdefault(key, Lock()):
            until, document = self._documents.get(key, (0.0, {}))
            began = self._clock()
            if began < until:
                return document
            document = make()
            took = self._clock() - began
            # Copied at one stroke, since others add theirs meanwhile.
            for other, (over, _) in list(self._documents.items()):
                if over <= began:
                    self._documents.pop(other, None)
            if took > _QUICK_SECONDS:
                self._documents[key] = (began + 21 * took, document)
            self._locks.pop(key, None)  # names come from callers: there is no end of them
            return document
