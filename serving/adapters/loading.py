"""Loading versions in threads of their own, so that following the routes never waits for a load."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import perf_counter

import structlog

from registry.domain.versions import ModelVersion
from serving.adapters.engine import Engine

_log = structlog.get_logger(__name__)
Key = tuple[str, int]
# More than one, since a rollback may have to load the version before, beside a slow one.
LOADING_THREADS = 2


class Loader:
    """Turns versions into engines; not safe to call from two threads at once."""

    def __init__(self, load: Callable[[ModelVersion], Engine]) -> None:
        self._load = load
        self._worker = ThreadPoolExecutor(LOADING_THREADS, thread_name_prefix="load")
        self._under_way: dict[Key, Future[Engine]] = {}
        self._problems: dict[Key, str] = {}

    @property
    def problems(self) -> Mapping[Key, str]:
        """Why versions could not be loaded when they were last tried."""
        return dict(self._problems)

    @property
    def has_news(self) -> bool:
        """Whether a load has ended that nobody has collected."""
        return any(future.done() for future in self._under_way.values())

    def want(self, versions: Iterable[ModelVersion], *, retry: bool) -> None:
        """Begin to load what is not under way; what failed before only to retry it."""
        for version in versions:
            key = (version.model, version.version)
            if key not in self._under_way and (retry or key not in self._problems):
                self._under_way[key] = self._worker.submit(self._timed, version)

    def collect(self) -> Mapping[Key, Engine]:
        """The engines that have become ready since the last time."""
        ready: dict[Key, Engine] = {}
        for key in [key for key, future in self._under_way.items() if future.done()]:
            future = self._under_way.pop(key)
            try:
                ready[key] = future.result()
                self._problems.pop(key, None)
            except Exception as error:  # noqa: BLE001 - one bad version must not stop the others
                _log.error("version not loaded", version=f"{key[0]}@{key[1]}", exc_info=error)
                self._problems[key] = str(error)
        return ready

    def forget(self, wanted: Iterable[Key]) -> None:
        """Drop the problems of versions that no route names any more."""
        kept = set(wanted)
        self._problems = {key: why for key, why in self._problems.items() if key in kept}

    def settle(self) -> None:
        """Wait for every load under way."""
        wait(list(self._under_way.values()))

    def close(self) -> Mapping[Key, Engine]:
        """Begin nothing more; gives what the last loads have made."""
        for future in self._under_way.values():
            future.cancel()
        self._worker.shutdown()
        self._under_way = {k: f for k, f in self._under_way.items() if not f.cancelled()}
        return self.collect()

    def _timed(self, version: ModelVersion) -> Engine:
        began = perf_counter()
        engine = self._load(version)
        seconds = round(perf_counter() - began, 3)
        _log.info("version loaded", version=version.name, seconds=seconds)
        return engine
