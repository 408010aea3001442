"""Storing what many callers bring at the same time, as one thread that takes all that wait."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import structlog

_log = structlog.get_logger(__name__)
GROUP = 64
Keep = Callable[[Sequence[bytes]], Sequence[str | Exception]]
"""Stores bodies: for each its digest, or why it could not be stored."""


class Depositor:
    """While it waits for the disk, the next bodies gather; a lone one waits for nobody."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._queue: queue.SimpleQueue[tuple[bytes, Future[str]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="deposit", daemon=True).start()

    def put(self, data: bytes) -> "Future[str]":
        """The digest, once the body is on the disk."""
        future: Future[str] = Future()
        self._queue.put((data, future))
        return future

    def _run(self) -> None:
        """Whatever goes wrong with a group is said to those whose it was; the next one comes."""
        while True:
            wanted = [one for one in self._gather() if one[1].set_running_or_notify_cancel()]
            try:
                ended = self._keep([data for data, _ in wanted])
            except BaseException as error:  # noqa: BLE001 - or all others would wait for ever
                _log.exception("inputs not stored")
                ended = [RuntimeError(f"not stored: {error}")] * len(wanted)
            for (_, future), found in zip(wanted, ended, strict=True):
                if isinstance(found, Exception):
                    future.set_exception(found)
                else:
                    future.set_result(found)

    def _gather(self) -> list[tuple[bytes, "Future[str]"]]:
        group = [self._queue.get()]
        while len(group) < GROUP:
            try:
                group.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return group
