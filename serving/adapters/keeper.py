"""Storing what the loaded versions have counted, and letting go of those that are done with.

Both may wait, for the database or for requests under way, so they have a thread of their own.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

import structlog

from monitoring.domain.window import LiveWindow
from serving.adapters.engine import Engine
from serving.adapters.loading import Key

_log = structlog.get_logger(__name__)


class Keeper:
    """Stores each live window once, and retries until it is stored.

    While a version's window cannot be stored its next one goes on counting in memory, so an outage
    of any length leaves one window to keep and one that grows.
    """

    def __init__(self, store: Callable[[LiveWindow], None], clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="keep")
        self._turn: Future[None] | None = None
        self._undelivered: list[LiveWindow] = []

    def keep(self, engines: Mapping[Key, Engine]) -> Future[None]:
        """Store what these have counted, unless an earlier turn is still busy."""
        if self._turn is None or self._turn.done():
            self._turn = self._worker.submit(self._keep, dict(engines))
        return self._turn

    def retire(self, name: str, engine: Engine) -> None:
        """Let go of a version once its requests are done, and store what it has counted last."""
        self._worker.submit(self._retire, name, engine)

    def close(self) -> None:
        """Finish what was asked for; windows that cannot be stored now are lost."""
        self._worker.submit(self._deliver)
        self._worker.shutdown()
        if self._undelivered:
            _log.error("live windows lost", windows=len(self._undelivered))

    def _keep(self, engines: Mapping[Key, Engine]) -> None:
        waiting = {(window.model, window.version) for window in self._undelivered}
        for key, engine in engines.items():
            if key not in waiting:
                self._drain(engine)
        self._deliver()

    def _retire(self, name: str, engine: Engine) -> None:
        engine.close()
        self._drain(engine)
        self._deliver()
        _log.info("version unloaded", version=name)

    def _drain(self, engine: Engine) -> None:
        window = engine.drain(self._clock())
        if window is not None:
            self._undelivered.append(window)

    def _deliver(self) -> None:
        self._undelivered = [window for window in self._undelivered if not self._stored(window)]

    def _stored(self, window: LiveWindow) -> bool:
        try:
            self._store(window)
        except Exception:  # noqa: BLE001 - the database may be away, and come back
            _log.exception("live window not stored", version=f"{window.model}@{window.version}")
            return False
        return True
