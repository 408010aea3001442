"""What the routes of serving are built from."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from registry.adapters.database.engine import Database
from serving.adapters.payloads import PayloadStore
from serving.api.kept import Kept
from serving.api.leaving import Callers
from serving.domain.review import LEASE
from serving.ports import Fleet, Ledger, Measurements, ServingUnit
from serving.services.aside import Aside
from serving.services.later import Later
from serving.services.predicting import Predicting
from serving.services.run import Patience
from serving.services.wait import Arrivals

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts of one serving process.

    check: gives why the process is not ready apart from its models, such as a wrong revision of
    the database; empty when nothing is wrong. render_metrics: the metrics and their
    content type, by the header Accept of whoever asks.
    lease: for how long an item is a reviewer's. undo: for how long their answer can be taken back
    before its caller hears it. leases: where items are handed out, so that nobody who asks for one
    waits behind answers; None: the ledger, where the database lets one write at a time anyway.
    worker: which of the processes behind one port this is; None if it is the only one. stored,
    storing: where inputs are read from their store, and brought there. later: what nobody waits
    for, such as shadows.
    """

    database: Database
    fleet: Fleet
    ledger: Ledger
    payloads: PayloadStore
    measurements: Measurements
    arrivals: Arrivals
    clock: Callable[[], datetime]
    draw: Callable[[], float]
    new_id: Callable[[datetime], str]
    max_upload_bytes: int
    render_metrics: Callable[[str], tuple[bytes, str]]
    check: Callable[[], tuple[str, ...]] = tuple
    patience: Patience = field(default_factory=Patience)
    lease: timedelta = LEASE
    undo: timedelta = timedelta(0)
    kept: Kept = field(default_factory=Kept)
    callers: Callers = field(default_factory=Callers)
    leases: Ledger | None = None
    worker: int | None = None
    stored: Aside = field(default_factory=Aside)
    storing: Aside = field(default_factory=Aside)
    later: Later = field(default_factory=Later)

    @property
    def predicting(self) -> Predicting:
        """What answering a request needs."""
        return Predicting(
            self.fleet,
            self.ledger,
            self.payloads,
            self.measurements,
            self.clock,
            self.draw,
            self.new_id,
            self.storing,
            self.later,
            self.patience,
        )

    async def write(self, work: Callable[[ServingUnit], T]) -> T:
        """Run `work` in a transaction and wait for the commit."""
        return await asyncio.wrap_future(self.ledger.write(work))

    async def hand_out(self, work: Callable[[ServingUnit], T]) -> T:
        """The same for leases."""
        return await asyncio.wrap_future((self.leases or self.ledger).write(work))

    async def read(self, work: Callable[[ServingUnit], T]) -> T:
        """Run `work` on a snapshot, off the event loop."""
        return await asyncio.to_thread(self.ledger.read, work)

    async def input(self, digest: str) -> bytes:
        """An input as it was sent; NotFound if it is gone."""
        return await self.stored.run(lambda: self.payloads.get(digest))
