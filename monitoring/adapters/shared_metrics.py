"""The metrics of several processes behind one port, told by whichever of them is asked.

Each keeps its samples in a file of a folder that all share; the one that is asked tells them all,
told apart by the label `worker`. It writes its own file first, so that nobody tells less of it
later: to Prometheus that would be a restart, and everything counted anew.
"""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample

from monitoring.adapters.exposition import exposition
from monitoring.adapters.metrics import Metrics

EVERY_SECONDS = 1.0
_log = structlog.get_logger(__name__)
# Whoever lives writes its file much oftener; what a dead one counted is not told for ever.
SILENT_SECONDS = 60.0
_Named = tuple[dict[str, str], float, float | None]
_Family = tuple[str, str, str, list[tuple[str, dict[str, str], float, _Named | None]]]


class SharedMetrics:
    """The metrics of one worker among those of the others."""

    def __init__(
        self, metrics: Metrics, folder: Path, worker: int, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._metrics = metrics
        self._file = file_of(folder, worker)
        self._every = every_seconds
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="metrics", daemon=True)

    def start(self) -> None:
        """Tell the others from now on."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keep()
        self._thread.start()

    def close(self) -> None:
        """Tell nothing more; what was counted ends with the process, as any process's does."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._file.unlink(missing_ok=True)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The body of /metrics, as Metrics.render gives it, for all workers."""
        told = {self._file.stem: self.keep()}
        for file in self._file.parent.glob("*.json"):
            if file != self._file:
                told |= _read(file)
        return exposition(accept, _All(told), self._metrics.looked_up)

    def keep(self) -> list[_Family]:
        """Write down what this process has counted, and give it."""
        with self._lock:  # else what was collected first might be written last
            samples = [_plain(family) for family in self._metrics.registry.collect()]
            partial = self._file.with_suffix(".partial")
            try:
                partial.write_text(json.dumps(samples))
                partial.replace(self._file)
            except OSError as error:  # a full disk is a time when metrics are looked at
                _log.warning("metrics not kept", error=str(error))
            return samples

    def _loop(self) -> None:
        while not self._stop.wait(self._every):
            self.keep()


def file_of(folder: Path, worker: int) -> Path:
    """Where a worker keeps its samples; whoever sees it die deletes them."""
    return folder / f"{worker}.json"


class _All(Collector):
    """Each family once, with the samples of all workers."""

    def __init__(self, told: dict[str, list[_Family]]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        """The families in the order in which the first worker has them."""
        merged: dict[str, Metric] = {}
        for worker, families in sorted(self._told.items()):
            for name, text, kind, samples in families:
                family = merged.setdefault(name, Metric(name, text, kind))
                for sample, labels, value, named in samples:
                    exemplar = Exemplar(*named) if named else None
                    family.add_sample(sample, {**labels, "worker": worker}, value, None, exemplar)
        yield from merged.values()


def _plain(family: Metric) -> _Family:
    samples = [
        (one.name, dict(one.labels), float(one.value), _exemplar(one)) for one in family.samples
    ]
    return family.name, family.documentation, family.type, samples


def _exemplar(sample: Sample) -> _Named | None:
    named = sample.exemplar
    if named is None:
        return None
    return (
        dict(named.labels),
        named.value,
        None if named.timestamp is None else float(named.timestamp),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        if time.time() - file.stat().st_mtime > SILENT_SECONDS:
            return {}
        return {file.stem: json.loads(file.read_text())}
    except FileNotFoundError:  # its worker has just ended
        return {}
