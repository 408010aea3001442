"""The loop that turns evidence into action: rollouts, drift, late answers, outbox."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from registry.adapters.database.engine import Database
from registry.adapters.database.leases import SqlLeases
from registry.services.lease import hold

_log = structlog.get_logger()

# Together they say how soon another process takes over from one that died: within 5 s.
INTERVAL_SECONDS = 0.5
LEASE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do again and again; it opens its own transactions and may be repeated."""

    name: str
    run: Callable[[datetime], object]
    every_seconds: float = 0.0  # 0: in every turn


class Controller:
    """Runs the duties every `interval_seconds`, in one process of all that share the database.

    It rests at least for as long as a turn took, so that it never takes more than half a processor.

    The lease of this name in the database decides which process; when that one dies another takes
    over once the lease has run out. A duty that fails is logged and tried again in the next turn,
    and does not keep the others from running. `stood_down` is called when another took over.
    `holder`: a name that no other process has.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        duties: Sequence[Duty],
        now: Callable[[], datetime],
        *,
        interval_seconds: float = INTERVAL_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        stood_down: Callable[[], None] = lambda: None,
        holder: str = "",
    ) -> None:
        self._name = name
        self._database = database
        self._duties = tuple(duties)
        self._now = now
        self._interval = interval_seconds
        self._lease = timedelta(seconds=lease_seconds)
        self._stood_down = stood_down
        self._led = False
        self._renewed_at: datetime | None = None
        self._last_run: dict[str, datetime] = {}
        self._holder = holder or uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the present duty and give the lease back, so that another takes over at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        with self._database.begin() as connection:
            SqlLeases(connection).release(self._name, self._holder)

    def turn(self) -> bool:
        """Do every duty that is due while this process holds the lease; says whether it does.

        The lease is looked after before each duty: a slow one may have outlived it.
        """
        for duty in self._duties:
            if not self._leads():
                return False
            if self._is_due(duty):
                self._do(duty)
            if self._stop.is_set():
                break
        return True

    def _loop(self) -> None:
        took = 0.0
        while not self._stop.wait(max(self._interval, took)):
            began = time.monotonic()
            try:
                self.turn()
            except Exception:  # noqa: BLE001 - a lost database must not end the loop
                _log.exception("turn failed", loop=self._name)
            took = time.monotonic() - began

    def _leads(self) -> bool:
        """Renewed when an eighth of it is over: every renewal is a write that others wait for."""
        since = self._now() - self._renewed_at if self._renewed_at else None
        if self._led and since is not None and timedelta(0) <= since < self._lease / 8:
            return True
        if not self._led and not self._is_free():
            return False
        with self._database.begin() as connection:
            leases = SqlLeases(connection)
            at = self._now()
            leads = hold(leases, self._name, self._holder, at, self._lease)
        if self._led and not leads:
            self._stood_down()
        self._led, self._renewed_at = leads, at
        return leads

    def _is_free(self) -> bool:
        """Those that do not lead ask in every turn, and keep nobody from writing by that."""
        with self._database.read() as connection:
            leases = SqlLeases(connection)
            return leases.is_free(self._name, self._holder, self._now(), self._lease)

    def _is_due(self, duty: Duty) -> bool:
        last = self._last_run.get(duty.name)
        pace = timedelta(seconds=duty.every_seconds)
        # A clock that was set back must not put a duty off for as long.
        return last is None or not timedelta(0) <= self._now() - last < pace

    def _do(self, duty: Duty) -> None:
        now = self._now()
        self._last_run[duty.name] = now
        try:
            duty.run(now)
        except Exception:  # noqa: BLE001 - one duty's failure must not stop the others
            _log.exception("duty failed", duty=duty.name)
