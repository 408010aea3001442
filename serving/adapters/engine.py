"""One loaded version: inputs are prepared in a pool, batched, and run in a thread of their own.

Without a pool, as where there is one processor only, that thread prepares them as well.
A batch waits for more inputs only while some are being prepared, so a lone request never waits.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import structlog

from monitoring.domain.window import LiveWindow
from registry.domain.errors import StagegateError, Unavailable
from registry.domain.observations import InputArray, Observations
from serving.domain.failure import ModelFailed
from serving.domain.prediction import RawPrediction
from serving.ports import Measurements, Runner, Scores
from serving.steps import FOLLOWED, Steps

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batching:
    """How large a batch may be, how long it may gather, how many requests may be under way.

    busy_seconds: a batch is also no larger than what keeps the thread busy about this long. A
    large model gains nothing by larger ones; they take memory, and all that come next wait longer.
    """

    size: int = 32
    delay_seconds: float = 0.002
    under_way: int = 256
    busy_seconds: float = 0.1


@dataclass(frozen=True, slots=True)
class _Job:
    array: InputArray
    future: "Future[RawPrediction]"
    queued_at: float
    followed: Steps | None = None

    def took(self, step: str, began: float, ended: float) -> None:
        """Tell whoever follows the request that this is in."""
        if self.followed:
            self.followed.took(step, began, ended)


@dataclass(frozen=True, slots=True)
class _Raw:
    """An input that is still to be prepared."""

    data: bytes
    future: "Future[RawPrediction]"
    followed: Steps | None = None


class Engine:
    """Runs one version; it is warm when the constructor returns."""

    def __init__(
        self,
        name: str,
        version: int,
        runner: Runner,
        pool: ThreadPoolExecutor | None,
        measurements: Measurements,
        clock: Callable[[], datetime],
        batching: Batching,
        threshold: float | None = None,
    ) -> None:
        self._name = name
        self._version = version
        self._runner = runner
        self._pool = pool
        self._measurements = measurements
        self._clock = clock
        self._batching = batching
        self._threshold = threshold
        self._jobs: queue.SimpleQueue[_Job | _Raw | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._under_way = 0
        self._preparing = 0
        self._size = _warmed(runner, batching)
        self._thread = threading.Thread(target=self._loop, name=f"infer-{name}", daemon=True)
        self._thread.start()

    def submit(self, data: bytes, *, aside: bool = False) -> "Future[RawPrediction]":
        """What the version says about one input; Unavailable when too many wait already.

        aside: prepared by this version's own thread, since other versions share the pool.
        """
        pool = None if aside else self._pool
        with self._changed:
            if self._under_way >= self._batching.under_way:
                raise Unavailable(
                    f"{self._name} has {self._under_way} requests under way and takes no more; "
                    "try again shortly."
                )
            self._under_way += 1
            self._preparing += pool is not None
        future: Future[RawPrediction] = Future()
        future.add_done_callback(self._answered)
        raw = _Raw(data, future, FOLLOWED.get())
        if pool is None:
            self._jobs.put(raw)
        else:
            pool.submit(self._prepare_apart, raw)
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

    def _answered(self, future: "Future[RawPrediction]") -> None:
        if not future.cancelled():  # else it takes a place here until it is dropped
            self._left()

    def _left(self) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def _is_wanted(self, future: "Future[RawPrediction]") -> bool:
        """Whether the caller still waits; from now on they cannot leave. Asked once for each."""
        wanted = future.set_running_or_notify_cancel()
        if not wanted:
            self._left()
        return wanted

    def _prepare_apart(self, raw: _Raw) -> None:
        try:
            job = self._prepared(raw)
            if job is not None:
                self._jobs.put(job)
        finally:
            with self._changed:
                self._preparing -= 1

    def _prepared(self, raw: _Raw) -> _Job | None:
        """The input as the graph takes it; None if nobody waits for it or it cannot be read."""
        future = raw.future
        if future.cancelled():
            self._is_wanted(future)
            return None
        try:
            began = time.perf_counter()
            array = self._runner.prepare(raw.data)
            ended = time.perf_counter()
            self._measurements.prepared(ended - began)
            job = _Job(array, future, ended, raw.followed)
            job.took("decode", began, ended)
        except StagegateError as error:
            self._refuse(future, error)  # it belongs to whoever sent the input
        except BaseException as error:  # noqa: BLE001 - a transform may raise anything, and exit
            self._refuse(future, self._failure(error))
        else:
            return job
        return None

    def _refuse(self, future: "Future[RawPrediction]", error: StagegateError) -> None:
        if self._is_wanted(future):
            future.set_exception(error)

    def _loop(self) -> None:
        """Whatever goes wrong in a turn is said to those whose turn it was; the next one comes."""
        last = False
        while not last and (first := self._jobs.get()) is not None:
            jobs, last = self._gather(first)
            try:
                self._turn(jobs)
            except BaseException as error:  # noqa: BLE001 - or all others would wait for ever
                _log.exception("inference failed", version=self._name)
                for job in jobs:
                    if not job.future.done():
                        job.future.set_exception(self._failure(error))

    def _gather(self, first: _Job | _Raw) -> tuple[list[_Job], bool]:
        jobs, deadline = self._added([], first), time.perf_counter() + self._batching.delay_seconds
        while len(jobs) < self._size:
            try:
                following = self._next(deadline)
            except queue.Empty:
                break
            if following is None:
                return jobs, True
            self._added(jobs, following)
        return jobs, False

    def _turn(self, jobs: Sequence[_Job]) -> None:
        buckets: dict[tuple[int, ...], list[_Job]] = {}
        for job in jobs:
            buckets.setdefault(job.array.shape, []).append(job)
        for same in buckets.values():
            self._infer(same)

    def _added(self, jobs: list[_Job], one: _Job | _Raw) -> list[_Job]:
        job = one if isinstance(one, _Job) else self._prepared(one)
        if job is not None and self._is_wanted(job.future):
            jobs.append(job)
        return jobs

    def _next(self, deadline: float) -> _Job | _Raw | None:
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
        ended = time.perf_counter()
        for job in jobs:
            job.took("queue", job.queued_at, began)
            job.took("inference", began, ended)
        for row, job in enumerate(jobs):
            try:
                answer = self._answer(observations, scores, row)
            except Exception as error:  # noqa: BLE001 - a row that cannot be read fails alone
                job.future.set_exception(self._failure(error))
            else:
                job.future.set_result(answer)
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

    def _failure(self, error: BaseException) -> ModelFailed:
        if isinstance(error, ModelFailed):
            return error
        _log.error("model failed", version=self._name, error=str(error))
        return ModelFailed(
            f"{self._name} failed on this input ({type(error).__name__}); its log says more."
        )

    def _answer(self, observations: Observations, scores: Scores | None, row: int) -> RawPrediction:
        probabilities = observations.probabilities[row]
        if not np.isfinite(probabilities).all():
            raise ModelFailed(f"{self._name} gave probabilities that are no numbers.")
        return RawPrediction(
            self._version,
            self._runner.labels,
            tuple(probabilities.tolist()),
            None if scores is None else float(scores.p_values[row]),
            "" if scores is None else scores.reason(row),
            self._threshold,
        )


def _warmed(runner: Runner, batching: Batching) -> int:
    """The largest batch to run, once the runner has run one of it and one of a single input."""
    runner.warm(1)
    began = time.perf_counter()
    runner.warm(1)
    seconds = max(time.perf_counter() - began, 1e-6)
    size = min(batching.size, max(1, int(batching.busy_seconds / seconds)))
    runner.warm(size)
    return size
