"""One loaded version: inputs are prepared in a pool, batched, and run in a thread of their own.

A batch waits for more inputs only while some are being prepared, so a lone request never waits.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np
import structlog

from monitoring.domain.window import LiveWindow
from registry.domain.errors import StagegateError, Unavailable
from registry.domain.observations import InputArray, Observations
from serving.domain.failure import ModelFailed
from serving.domain.prediction import RawPrediction
from serving.ports import Measurements, Runner, Scores

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batching:
    """How large a batch may be, how long it may gather, how many requests may be under way."""

    size: int = 32
    delay_seconds: float = 0.002
    under_way: int = 256


@dataclass(frozen=True, slots=True)
class _Job:
    array: InputArray
    future: "Future[RawPrediction]"
    queued_at: float


class Engine:
    """Runs one version; it is warm when the constructor returns."""

    def __init__(
        self,
        name: str,
        version: int,
        runner: Runner,
        pool: ThreadPoolExecutor,
        measurements: Measurements,
        clock: Callable[[], datetime],
        batching: Batching,
    ) -> None:
        self._name = name
        self._version = version
        self._runner = runner
        self._pool = pool
        self._measurements = measurements
        self._clock = clock
        self._batching = batching
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._under_way = 0
        self._preparing = 0
        runner.warm(batching.size)
        self._thread = threading.Thread(target=self._loop, name=f"infer-{name}", daemon=True)
        self._thread.start()

    def submit(self, data: bytes) -> "Future[RawPrediction]":
        """What the version says about one input; Unavailable when too many wait already."""
        with self._changed:
            if self._under_way >= self._batching.under_way:
                raise Unavailable(
                    f"{self._name} has {self._under_way} requests under way and takes no more; "
                    "try again shortly."
                )
            self._under_way += 1
            self._preparing += 1
        future: Future[RawPrediction] = Future()
        future.add_done_callback(self._left)
        self._pool.submit(self._prepare, data, future)
        return future

    def drain(self, now: datetime) -> LiveWindow | None:
        """Take what the live window has counted since the last time."""
        return self._runner.drain(now)

    def close(self, timeout: float = 30.0) -> None:
        """Finish what is under way, then stop the thread and let go of the model."""
        with self._changed:
            self._changed.wait_for(lambda: self._under_way == 0, timeout)
        self._jobs.put(None)
        self._thread.join(timeout)

    def _left(self, _: "Future[RawPrediction]") -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _prepare(self, data: bytes, future: "Future[RawPrediction]") -> None:
        wanted = future.set_running_or_notify_cancel()
        try:
            if wanted:
                began = time.perf_counter()
                array = self._runner.prepare(data)
                self._measurements.prepared(time.perf_counter() - began)
                self._jobs.put(_Job(array, future, time.perf_counter()))
        except StagegateError as error:
            future.set_exception(error)  # it belongs to whoever sent the input
        except Exception as error:  # noqa: BLE001 - a transform may raise anything
            future.set_exception(self._failure(error))
        finally:
            with self._changed:
                self._preparing -= 1

    def _loop(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, last = self._gather(first)
            for _, same in groupby(jobs, key=lambda job: job.array.shape):
                self._infer(list(same))
            if last:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs, deadline = [first], time.perf_counter() + self._batching.delay_seconds
        while len(jobs) < self._batching.size:
            try:
                following = self._next(deadline)
            except queue.Empty:
                break
            if following is None:
                return jobs, True
            jobs.append(following)
        return jobs, False

    def _next(self, deadline: float) -> _Job | None:
        left = deadline - time.perf_counter()
        if self._preparing == 0 or left <= 0:
            return self._jobs.get_nowait()
        return self._jobs.get(timeout=left)

    def _infer(self, jobs: Sequence[_Job]) -> None:
        """Run a batch; if it fails, each input alone, so that a bad one fails alone."""
        began = time.perf_counter()
        try:
            observations, scores = self._runner.run(np.stack([job.array for job in jobs]))
        except Exception as error:  # noqa: BLE001 - a model may raise anything
            self._failed(jobs, error)
            return
        for row, job in enumerate(jobs):
            self._answer(job, observations, scores, row)
        self._measurements.batched(
            len(jobs), began - jobs[0].queued_at, time.perf_counter() - began
        )
        try:
            self._runner.observe(observations, scores, self._clock())
        except Exception:  # noqa: BLE001 - counting must not stop answering
            _log.exception("live window failed", version=self._name)

    def _failed(self, jobs: Sequence[_Job], error: Exception) -> None:
        if len(jobs) > 1:
            for job in jobs:
                self._infer([job])
            return
        jobs[0].future.set_exception(self._failure(error))

    def _failure(self, error: Exception) -> ModelFailed:
        _log.error("model failed", version=self._name, error=str(error))
        return ModelFailed(
            f"{self._name} failed on this input ({type(error).__name__}); its log says more."
        )

    def _answer(
        self, job: _Job, observations: Observations, scores: Scores | None, row: int
    ) -> None:
        probabilities = observations.probabilities[row]
        if not np.isfinite(probabilities).all():
            job.future.set_exception(
                ModelFailed(f"{self._name} gave probabilities that are no numbers.")
            )
            return
        job.future.set_result(
            RawPrediction(
                self._version,
                self._runner.labels,
                tuple(probabilities.tolist()),
                None if scores is None else float(scores.p_values[row]),
                "" if scores is None else scores.reason(row),
            )
        )
