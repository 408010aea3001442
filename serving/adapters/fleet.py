"""The versions that this replica has loaded, following the routes in the database.

A generation is an immutable pair of routes and loaded versions, swapped whole. A version is
loaded and warmed before a route can name it, and unloaded when the last request that could still
call it is done. The thread that follows the routes only swaps: whatever may take long, such as a
load, runs elsewhere, so that a rollback takes effect at once.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
import structlog

from monitoring.domain.window import LiveWindow
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Unavailable
from registry.domain.versions import ModelVersion
from serving.adapters.engine import Batching, Engine
from serving.adapters.keeper import Keeper
from serving.adapters.loading import Key, Loader
from serving.adapters.route_changes import RouteChanges, route_changes
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Route, RoutingSnapshot
from serving.ports import Measurements, Runner
from serving.services.routes import read_routes

_log = structlog.get_logger(__name__)
POLL_SECONDS = 0.1
# Where changes are told, in case one is not: a broken line, a pooler between us and the database.
LOOK_ANYWAY_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 5.0  # versions that failed to load, models registered without a route
KEEP_SECONDS = 1.0
PREPARING_THREADS_AT_MOST = 2


@dataclass(slots=True)
class LoadedGeneration:
    """Implements serving.ports.Generation. `users` counts the requests that hold on to it."""

    snapshot: RoutingSnapshot
    engines: Mapping[Key, Engine]
    problems: Mapping[Key, str] = field(default_factory=dict)
    users: int = 0

    async def run(
        self, model: str, version: int, data: bytes, *, aside: bool = False
    ) -> RawPrediction:
        """What a version says; Unavailable if it is not loaded or has too much to do."""
        engine = self.engines.get((model, version))
        if engine is None:
            why = self.why_not((model, version))
            raise Unavailable(f"{model}@{version} is not loaded on this replica: {why}")
        return await asyncio.wrap_future(engine.submit(data, aside=aside))

    def why_not(self, key: Key) -> str:
        """Why a version is not loaded."""
        return self.problems.get(key, "it is being loaded; try again shortly")

    def same_as(self, other: "LoadedGeneration") -> bool:
        """Whether the two answer every request alike."""
        mine, theirs = (self.snapshot, self.problems), (other.snapshot, other.problems)
        return mine == theirs and self.engines == other.engines


class LiveFleet:
    """Implements serving.ports.Fleet; `start` loads what the routes name, then follows them."""

    def __init__(
        self,
        database: Database,
        load: Callable[[ModelVersion], Runner],
        keep_window: Callable[[LiveWindow], None],
        measurements: Measurements,
        clock: Callable[[], datetime],
        batching: Batching,
        *,
        processes: int = 1,
        changes: RouteChanges | None = None,
    ) -> None:
        """processes: how many share this machine's processors, this one included.

        changes: how it learns of new routes, if not as this database tells.
        """
        self._database = database
        self._load = load
        self._measurements = measurements
        self._clock = clock
        self._batching = batching
        self._pool = _preparing(processes)
        self._loader = Loader(self._engine)
        self._keeper = Keeper(keep_window, clock)
        self._lock = threading.Lock()
        self._following = threading.RLock()
        self._engines: dict[Key, Engine] = {}
        self._wanted: frozenset[Key] = frozenset()
        self._current = LoadedGeneration(RoutingSnapshot(-1, {}), {})
        self._retired: list[LoadedGeneration] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="fleet", daemon=True)
        self._changes = changes or route_changes(database)
        self._retried_at = self._kept_at = self._looked_at = 0.0

    def start(self) -> None:
        """Load every version that a route names, then follow the routes in a thread."""
        self.refresh()
        self._thread.start()

    def close(self) -> None:
        """Stop following, finish what is under way, keep the last windows."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._changes.close()
        self._engines |= self._loader.close()
        for key, engine in self._engines.items():
            self._keeper.retire(_name(key), engine)
        self._keeper.close()
        self._engines.clear()
        if self._pool is not None:
            self._pool.shutdown()

    @contextmanager
    def admit(self) -> Iterator[LoadedGeneration]:
        """Hold on to the current generation; its versions stay loaded meanwhile."""
        with self._lock:
            generation = self._current
            generation.users += 1
        try:
            yield generation
        finally:
            with self._lock:
                generation.users -= 1

    def problems(self) -> tuple[str, ...]:
        """Why this replica cannot answer everything that it should; empty when it can.

        A candidate that is missing is no such reason: others answer in its place, and one bad
        candidate must not take every replica out of service.
        """
        if self._current.snapshot.clock < 0:
            return ("the routes have not been read yet",)
        return self._missing(trusted=True)

    def warnings(self) -> tuple[str, ...]:
        """Which candidates this replica cannot run, and which versions it could not return to."""
        return self._missing(trusted=False)

    @property
    def loaded(self) -> frozenset[Key]:
        """The versions in memory."""
        return frozenset(self._engines)

    def refresh(self) -> None:
        """Read the routes and wait until everything that they name is loaded or has failed."""
        self._look(retry=True)
        self._loader.settle()
        self._look(retry=False)

    def follow(self) -> None:
        """Apply a change of the routes at once, rather than at the next look; never fails."""
        try:
            self._look(retry=False)
        except Exception:  # noqa: BLE001 - the next look finds the same change
            _log.exception("routes not read")

    def tick(self, *, told: bool = True) -> None:
        """One turn: follow the routes, keep the live windows, unload what nothing can call.

        told: whether the routes may have changed.
        """
        retry = time.monotonic() - self._retried_at > LOOK_AGAIN_SECONDS
        if retry or self._loader.has_news or self._is_changed(told=told):
            self._look(retry=retry)
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._kept_at = time.monotonic()
            self._keeper.keep(self._engines)
        self._unload()

    def _is_changed(self, *, told: bool) -> bool:
        if not told and time.monotonic() - self._looked_at < LOOK_ANYWAY_SECONDS:
            return False
        with self._database.read() as connection:
            value = SqlUnitOfWork(connection).routing_clock.value()
        self._looked_at = time.monotonic()
        return value != self._current.snapshot.clock

    def _look(self, *, retry: bool) -> None:
        """Read the routes, begin to load what they miss, and apply those that miss nothing.

        A version that cannot be loaded is not a reason to keep an old route: requests for it are
        refused, or answered by others.
        """
        with self._following:
            with self._database.read() as connection:
                snapshot = read_routes(SqlUnitOfWork(connection))
                versions = {(v.model, v.version): v for v in _named(snapshot, connection)}
            self._wanted = frozenset(versions)
            self._engines |= self._loader.collect()
            missing = [versions[key] for key in sorted(versions.keys() - self._engines.keys())]
            self._loader.forget(versions)
            self._loader.want(missing, retry=retry)
            if retry:
                self._retried_at = time.monotonic()
            self._apply(snapshot)

    def _apply(self, snapshot: RoutingSnapshot) -> None:
        problems = self._loader.problems
        known = self._engines.keys() | problems.keys()
        old = self._current.snapshot.routes

        def ready(route: Route) -> bool:
            return all((route.model, version) in known for version in route.versions)

        routes = {
            model: route if ready(route) else old.get(model, route)
            for model, route in snapshot.routes.items()
        }
        named = {(r.model, v) for r in routes.values() for v in r.versions}
        engines = {key: self._engines[key] for key in named if key in self._engines}
        new = LoadedGeneration(RoutingSnapshot(snapshot.clock, routes), engines, problems)
        if not new.same_as(self._current):
            with self._lock:
                self._retired.append(self._current)
                self._current = new

    def _engine(self, version: ModelVersion) -> Engine:
        return Engine(
            version.name,
            version.version,
            self._load(version),
            self._pool,
            self._measurements,
            self._clock,
            self._batching,
            version.threshold,
        )

    def _missing(self, *, trusted: bool) -> tuple[str, ...]:
        current = self._current
        missing = sorted(
            (route.model, version)
            for route in current.snapshot.routes.values()
            for version in route.versions
            if (version in route.trusted) is trusted
            and (route.model, version) not in current.engines
        )
        return tuple(f"{_name(key)}: {current.why_not(key)}" for key in missing)

    def _follow(self) -> None:
        told = True
        while not self._stop.is_set():
            try:
                told = self._changes.wait(POLL_SECONDS) or told
                self.tick(told=told)
                told = False
            except Exception:  # noqa: BLE001 - see below
                # The database may be away: the last routes stay in force until it is back.
                _log.exception("routes not read")
                told = True
                self._stop.wait(POLL_SECONDS)  # what fails at once may go on failing

    def _unload(self) -> None:
        """Let go of what no route wants and no request can call."""
        with self._following:
            with self._lock:
                self._retired = [g for g in self._retired if g.users]
                alive = {key for g in (self._current, *self._retired) for key in g.engines}
            for key in self._engines.keys() - alive - self._wanted:
                self._keeper.retire(_name(key), self._engines.pop(key))


def _preparing(processes: int) -> ThreadPoolExecutor | None:
    """Threads for preparing inputs, where there are processors that they could use."""
    threads = min(PREPARING_THREADS_AT_MOST, max(1, _processors() // processes) - 1)
    return ThreadPoolExecutor(threads, thread_name_prefix="prepare") if threads else None


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _name(key: Key) -> str:
    return f"{key[0]}@{key[1]}"


def _named(snapshot: RoutingSnapshot, connection: sa.Connection) -> Iterator[ModelVersion]:
    versions = SqlUnitOfWork(connection).versions
    for route in snapshot.routes.values():
        for version in sorted(route.versions):
            yield versions.get(route.model, version)
