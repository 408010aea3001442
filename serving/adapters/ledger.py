"""Durable writes that share their commits: one thread takes all that wait and commits once.

A commit costs a trip to the disk whatever its size. While one is under way the next requests
gather, so the group grows with the load and a lone request waits for nobody. What says when it
happened is written soon after or not at all: readers rely on that.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from registry.adapters.database.engine import Database
from registry.domain.errors import Unavailable
from serving.adapters.unit import SqlServingUnit
from serving.ports import ServingUnit

_log = structlog.get_logger(__name__)
T = TypeVar("T")
PATIENCE_SECONDS = 20.0
_FAILED = "This could not be written, and the service's log says why; try again shortly."


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be written, and when that was asked for."""

    do: Callable[[ServingUnit], Any]
    future: "Future[Any]"
    asked_at: float
    in_time: Callable[[], object] | None = None


class GroupLedger:
    """Implements serving.ports.Ledger on the database."""

    def __init__(
        self,
        database: Database,
        committed: Callable[[float], None] = lambda _: None,
        *,
        group: int = 64,
        waiting: int = 4096,
        patience_seconds: float = PATIENCE_SECONDS,
        durable: bool = True,
    ) -> None:
        self._database = database
        self._committed = committed
        self._group = group
        self._patience = patience_seconds
        self._durable = durable
        self._queue: queue.Queue[_Work | None] = queue.Queue(maxsize=waiting)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def write(
        self, work: Callable[[ServingUnit], T], in_time: Callable[[], object] | None = None
    ) -> "Future[T]":
        """Run `work` in a transaction; the future resolves after the commit.

        `work` may run a second time, alone, when its group could not be committed. in_time: raises
        when it has become too late; asked before the work and before the commit.
        """
        future: Future[T] = Future()
        if self._closed:
            raise Unavailable("The service is stopping and writes nothing more.")
        try:
            self._queue.put_nowait(_Work(work, future, time.monotonic(), in_time))
        except queue.Full as error:
            raise Unavailable("Too many records wait to be written; try again shortly.") from error
        return future

    def read(self, work: Callable[[ServingUnit], T]) -> T:
        """Run `work` on a snapshot, in the caller's thread."""
        with self._database.read() as connection:
            return work(SqlServingUnit(connection))

    def close(self) -> None:
        """Write what waits, then stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        """Whatever goes wrong with a group is said to those whose it was; the next one comes."""
        last = False
        while not last and (first := self._queue.get()) is not None:
            group, last = self._gather(first)
            # A caller that has left has cancelled its future; what nobody waits for is not written.
            wanted = [work for work in group if work.future.set_running_or_notify_cancel()]
            try:
                self._write(wanted)
            except BaseException:  # noqa: BLE001 - or all others would wait for ever
                _log.exception("ledger failed")
                for work in wanted:
                    if not work.future.done():
                        work.future.set_exception(Unavailable(_FAILED))

    def _write(self, wanted: list[_Work]) -> None:
        began = time.perf_counter()
        if wanted:
            self._commit(wanted)
        self._committed(time.perf_counter() - began)

    def _gather(self, first: _Work) -> tuple[list[_Work], bool]:
        group = [first]
        while len(group) < self._group:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return group, True
            group.append(following)
        return group, False

    def _commit(self, group: list[_Work]) -> None:
        """All in one transaction; if that fails, each alone, so that a bad record fails alone.

        What a group locks comes in no order, so a group waits for nobody's locks for long: two
        replicas' groups would else wait for each other.
        """
        group = [work for work in group if not self._outdated(work)]
        if not group:
            return
        try:
            alone = len(group) == 1
            _in_time(group)
            with self._database.begin(patient=alone, durable=self._durable) as connection:
                unit = SqlServingUnit(connection)
                results = [work.do(unit) for work in group]
                unit.flush()
                _in_time(group)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to whoever asked
            if len(group) == 1:
                group[0].future.set_exception(error)
                return
            for one in group:
                self._commit([one])
            return
        for work, result in zip(group, results, strict=True):
            work.future.set_result(result)

    def _outdated(self, work: _Work) -> bool:
        if time.monotonic() - work.asked_at <= self._patience:
            return False
        work.future.set_exception(
            Unavailable(
                f"This waited {self._patience:g} s to be written and was not; try again shortly."
            )
        )
        return True


def _in_time(group: list[_Work]) -> None:
    for work in group:
        if work.in_time is not None:
            work.in_time()
