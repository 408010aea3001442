"""What answering and reviewing ask of the world; adapters implement it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from monitoring.domain.window import LiveWindow
from registry.domain.observations import ByteArray, FloatArray, Observations
from registry.ports import UnitOfWork
from serving.domain.prediction import (
    DecidedBy,
    Fallback,
    Label,
    Prediction,
    RawPrediction,
    ShadowRecord,
)
from serving.domain.review import Item, ItemState, Opinion, Verdict
from serving.domain.routing import Quota, RoutingSnapshot

T = TypeVar("T")


class Scores(Protocol):
    """Out-of-domain scores of a batch."""

    @property
    def p_values(self) -> FloatArray:
        """(n,) how usual each row is among the training data."""

    def reason(self, index: int) -> str:
        """A sentence on one row, for a person."""


class Runner(Protocol):
    """One version, loaded: bytes to arrays, arrays to answers."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels, in the order of its probabilities."""

    def prepare(self, data: bytes) -> ByteArray:
        """One input as the graph takes it; a StagegateError if it cannot be read."""

    def run(self, inputs: ByteArray) -> tuple[Observations, Scores | None]:
        """One forward pass over a batch, and its scores."""

    def observe(self, observations: Observations, scores: Scores | None, now: datetime) -> None:
        """Count a batch in the live window."""

    def drain(self, now: datetime) -> LiveWindow | None:
        """Take what the live window has counted since the last time."""

    def warm(self, batch: int) -> None:
        """Run once as a batch of one and once as a full one, so that no request pays for it."""


class Measurements(Protocol):
    """The metrics that serving feeds."""

    def predicted(self, prediction: Prediction, seconds: float) -> None:
        """A request was answered or held."""

    def batched(self, size: int, queued: float, seconds: float) -> None:
        """A batch ran."""

    def prepared(self, seconds: float) -> None:
        """An input was decoded and transformed."""

    def committed(self, seconds: float) -> None:
        """A group of records reached the disk."""

    def shadowed(self, model: str, shadow: ShadowRecord) -> None:
        """A shadow answered, or did not."""

    def settled(self, prediction: Prediction) -> None:
        """A held request was answered or cancelled."""

    def reviewed(self, *, counted: bool) -> None:
        """A person answered."""

    def queue(self, stats: Mapping[str, Any]) -> None:
        """How the review queue stands."""


class Predictions(Protocol):
    """The prediction log."""

    def add(self, prediction: Prediction) -> None:
        """Store a request; Conflict if its idempotency key is taken."""

    def add_shadow(self, shadow: ShadowRecord) -> None:
        """Store what a shadow said."""

    def get(self, prediction_id: str) -> Prediction:
        """One request; NotFound if there is none."""

    def by_key(self, model: str, idempotency_key: str) -> Prediction | None:
        """The request that used this key before."""

    def settle(
        self, prediction_id: str, label: Label, decided_by: DecidedBy, now: datetime
    ) -> bool:
        """Answer a held request, unless something else was faster."""

    def settle_late(self, prediction: Prediction, fallback: Fallback, now: datetime) -> bool:
        """Give a held request its fallback, unless something else was faster."""

    def settled(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these requests are no longer held."""

    def cancel(self, prediction_id: str, now: datetime) -> bool:
        """Cancel a held request, unless it has been answered."""

    def overdue(self, now: datetime, limit: int) -> Sequence[Prediction]:
        """Held requests past their due time, the oldest first."""


class ReviewQueue(Protocol):
    """The items that wait for a person."""

    def add(self, item: Item) -> None:
        """Put an item in the queue."""

    def get(self, item_id: str) -> Item:
        """One item; NotFound if there is none."""

    def find(self, *, state: ItemState | None, model: str | None, limit: int) -> tuple[Item, ...]:
        """Items in the order of the queue."""

    def held_by(self, reviewer: str, model: str | None, now: datetime) -> Item | None:
        """The item that a reviewer has a live lease on."""

    def claim(
        self, reviewer: str, model: str | None, now: datetime, until: datetime
    ) -> Item | None:
        """Lease the first item that is free; no two reviewers get the same one."""

    def renew(self, item_id: str, reviewer: str, epoch: int, until: datetime) -> bool:
        """Keep a lease longer, if it is still held."""

    def finish(self, verdict: Verdict, now: datetime) -> bool:
        """Close an item, if nobody else has taken it since this epoch."""

    def release(self, item_id: str, reviewer: str, epoch: int, reason: str, now: datetime) -> bool:
        """Give an item back and do not offer it to this reviewer again."""

    def withdraw(self, prediction: Prediction, now: datetime) -> None:
        """Nobody waits any more: the item stays for what it teaches, or goes if it is nothing."""

    def opinion(self, verdict: Verdict) -> Opinion | None:
        """What the reviewer has said about the item under the verdict's key before."""

    def add_opinion(self, opinion: Opinion) -> bool:
        """Append a reviewer's answer, unless they sent it before."""

    def stats(self, now: datetime) -> Mapping[str, Any]:
        """How many items wait, since when and why."""

    def waiting(self, model: str | None) -> int:
        """How many items wait."""


class ServingUnit(Protocol):
    """One transaction's view of what serving stores, and of the registry beside it."""

    @property
    def registry(self) -> UnitOfWork:
        """Versions, rollouts and evidence."""

    @property
    def predictions(self) -> Predictions:
        """The prediction log."""

    @property
    def reviews(self) -> ReviewQueue:
        """The review queue."""

    def has_room(self, quota: Quota) -> bool:
        """Whether the day has room for one more request; another may take it."""

    def admit(self, quota: Quota) -> bool:
        """Count one more request of the day, if there is room for it."""


class Ledger(Protocol):
    """Durable writes; many callers share one commit."""

    def write(self, work: Callable[[ServingUnit], T]) -> Future[T]:
        """Run `work` in a transaction; the future resolves after the commit."""

    def read(self, work: Callable[[ServingUnit], T]) -> T:
        """Run `work` on a snapshot, in the caller's thread."""


class Payloads(Protocol):
    """Request bodies, by their content."""

    def put(self, data: bytes) -> str:
        """Store a body; gives its digest."""

    def get(self, digest: str) -> bytes:
        """A body; NotFound if it is gone."""


class Generation(Protocol):
    """The routes of one moment, and the versions that they can call, loaded."""

    @property
    def snapshot(self) -> RoutingSnapshot:
        """The routes."""

    def run(self, model: str, version: int, data: bytes) -> Awaitable[RawPrediction]:
        """What a version says; Unavailable if it is not loaded or has too much to do."""


class Fleet(Protocol):
    """The current generation."""

    def admit(self) -> AbstractContextManager[Generation]:
        """Hold on to the current generation; its versions stay loaded meanwhile."""

    def problems(self) -> tuple[str, ...]:
        """Why this replica cannot answer everything that it should; empty when it can."""

    def warnings(self) -> tuple[str, ...]:
        """Which candidates it cannot run; others answer in their place."""
