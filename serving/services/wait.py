"""Waiting for a person's answer to a held request."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import structlog

from serving.domain.prediction import Prediction, Status
from serving.ports import Ledger, ServingUnit

_log = structlog.get_logger(__name__)
LOOK_EVERY_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
_ASKED_AT_ONCE = 500
_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Arrivals:
    """Wakes those in this process who wait for a request.

    This process announces what it answers itself; for what other replicas answer, one thread looks
    in the database for all that wait here, while anybody does.
    """

    def __init__(self) -> None:
        # Re-entrant, since a signal may call close() inside any other method.
        self._lock = threading.RLock()
        self._waiting: dict[str, set[_Waiter]] = defaultdict(set)
        self._looking = False
        self._closed = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether nobody may wait any more."""
        return self._closed

    @property
    def waited_for(self) -> tuple[str, ...]:
        """The requests that somebody here waits for."""
        with self._lock:
            return tuple(self._waiting)

    def close(self) -> None:
        """Wake everybody and let nobody wait again; callable from any thread or signal handler."""
        if self._closed:
            return  # a second signal may come while the first is being handled
        self._closed = True
        self._stopping.set()
        with self._lock:
            for prediction_id in self.waited_for:
                self.announce(prediction_id)

    def end(self) -> None:
        """Close, and return when nothing here uses the database any more."""
        self.close()
        if self._thread is not None:
            self._thread.join()

    def announce(self, prediction_id: str) -> None:
        """A request is final; callable from any thread."""
        with self._lock:
            for loop, event in tuple(self._waiting.get(prediction_id, ())):
                loop.call_soon_threadsafe(event.set)

    async def next(self, ledger: Ledger, prediction_id: str, seconds: float) -> None:
        """Return when the request is answered, after this time, or when the service stops."""
        mine = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._waiting[prediction_id].add(mine)
            self._look(ledger)
        try:
            if not self.closed:
                await asyncio.wait_for(mine[1].wait(), seconds)
        except TimeoutError:
            return
        finally:
            with self._lock:
                self._waiting[prediction_id].discard(mine)
                if not self._waiting[prediction_id]:
                    del self._waiting[prediction_id]

    def _look(self, ledger: Ledger) -> None:
        if not self._looking and not self.closed:
            self._looking = True
            follow = threading.Thread(target=self._follow, args=(ledger,), name="wait", daemon=True)
            follow.start()
            self._thread = follow

    def _follow(self, ledger: Ledger) -> None:
        while not self._stopping.wait(LOOK_EVERY_SECONDS):
            with self._lock:
                waiting = self.waited_for
                if not waiting:
                    self._looking = False
                    return
            try:
                for prediction_id in _settled(ledger, waiting):
                    self.announce(prediction_id)
            except Exception:  # noqa: BLE001 - the database may be away, and come back
                _log.exception("waiting requests not looked up")


async def look(ledger: Ledger, prediction_id: str) -> Prediction:
    """The request as it stands; NotFound if there is none."""
    return await asyncio.to_thread(ledger.read, lambda unit: unit.predictions.get(prediction_id))


async def wait_for(
    ledger: Ledger, arrivals: Arrivals, prediction_id: str, seconds: float
) -> Prediction:
    """The request as soon as it is no longer held, or as it stands after this time."""
    found = await look(ledger, prediction_id)
    if found.status is not Status.HELD or seconds <= 0 or arrivals.closed:
        return found
    await arrivals.next(ledger, prediction_id, seconds)
    return await look(ledger, prediction_id)


async def follow(
    ledger: Ledger, arrivals: Arrivals, prediction_id: str
) -> AsyncIterator[Prediction]:
    """The request as it stands now, again at every heartbeat, and when it is no longer held.

    Ends with a held request only when the service stops; whoever still wants it asks again.
    """
    found = await look(ledger, prediction_id)
    yield found
    while found.status is Status.HELD and not arrivals.closed:
        found = await wait_for(ledger, arrivals, prediction_id, HEARTBEAT_SECONDS)
        yield found


def _settled(ledger: Ledger, ids: Sequence[str]) -> tuple[str, ...]:
    groups = [ids[i : i + _ASKED_AT_ONCE] for i in range(0, len(ids), _ASKED_AT_ONCE)]

    def ask(unit: ServingUnit) -> tuple[str, ...]:
        return tuple(name for group in groups for name in unit.predictions.settled(group))

    return ledger.read(ask)
