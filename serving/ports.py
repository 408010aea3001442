"""What answering and reviewing ask of the world; adapters implement it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from monitoring.domain.window import LiveWindow
from registry.domain.observations import FloatArray, InputArray, Observations
from registry.ports import UnitOfWork
from serving.domain.admission import Record
from serving.domain.bias import Standing, Trials
from serving.domain.opinions import Event, Opinion, Passing, Verdict
from serving.domain.prediction import (
    DecidedBy,
    Fallback,
    Label,
    Prediction,
    RawPrediction,
)
from serving.domain.review import Item, Presentation, Queue, Slot, SlotState, Source, Task
from serving.domain.routing import Quota, RoutingSnapshot
from serving.domain.shadowing import Beside, Shadowed

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

    def prepare(self, data: bytes) -> InputArray:
        """One input as the graph takes it; a StagegateError if it cannot be read."""

    def run(self, inputs: InputArray) -> tuple[Observations, Scores | None]:
        """One forward pass over a batch, and its scores."""

    def observe(self, observations: Observations, scores: Scores | None, now: datetime) -> None:
        """Count a batch in the live window."""

    def drain(self, now: datetime) -> LiveWindow | None:
        """Take what the live window has counted since the last time."""

    def warm(self, batch: int) -> None:
        """Run a batch of this size, so that no request pays for what a first one costs."""


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

    def shadowed(self, model: str, version: int, outcome: Shadowed) -> None:
        """A shadow had its turn, or was dropped."""

    def settled(self, prediction: Prediction) -> None:
        """A held request was answered or cancelled."""

    def took_next(self, seconds: float) -> None:
        """A reviewer got the next item, or was told that there is none."""

    def reviewed(self, *, counted: bool) -> None:
        """A person answered."""

    def queue(self, stats: Mapping[str, Any]) -> None:
        """How the review queue stands."""

    def queues(self, queues: Sequence[Mapping[str, Any]]) -> None:
        """How each model's queues stand."""


class Predictions(Protocol):
    """The prediction log."""

    def get(self, prediction_id: str) -> Prediction:
        """One request; NotFound if there is none."""

    def find(self, prediction_id: str) -> Prediction | None:
        """One request, if there is one."""

    def by_key(self, model: str, idempotency_key: str) -> Prediction | None:
        """The request that used this key before."""

    def settle(
        self, prediction_id: str, label: Label, decided_by: DecidedBy, now: datetime
    ) -> Prediction | None:
        """Answer a held request, which it gives, unless something else was faster."""

    def settle_late(self, prediction: Prediction, fallback: Fallback, now: datetime) -> bool:
        """Give a held request its fallback, unless something else was faster."""

    def settled(self, ids: Sequence[str]) -> frozenset[str]:
        """Which of these requests are no longer held."""

    def amend(self, prediction_id: str, label: Label, now: datetime) -> bool:
        """Add a person's answer to one that a fallback has given; once."""

    def cancel(self, prediction_id: str, now: datetime) -> bool:
        """Cancel a held request, unless it has been answered."""

    def overdue(self, now: datetime, limit: int) -> Sequence[Prediction]:
        """Held requests past their due time, the oldest first."""


class ReviewQueue(Protocol):
    """The items that wait for people."""

    def add(self, item: Item, excluded: frozenset[str] = frozenset()) -> None:
        """Put an item in the queue, out of the reach of these people."""

    def get(self, item_id: str) -> Task:
        """One item with its newest slot; NotFound if there is none."""

    def of_prediction(self, prediction_id: str) -> Task | None:
        """The item about a request; gold items are about none."""

    def find(
        self, *, state: str | None, model: str | None, limit: int, version: int | None = None
    ) -> tuple[Task, ...]:
        """Items in a state: those that wait in the order of their queue, others the last first."""

    def held_by(
        self, reviewer: str, model: str | None, now: datetime, besides: str | None = None
    ) -> Task | None:
        """The item that a reviewer has a live lease on, other than `besides`."""

    def claim(
        self, reviewer: str, model: str | None, queue: Queue, now: datetime, until: datetime
    ) -> Task | None:
        """Lease the first slot of a queue that is free; no two reviewers get the same one."""

    def take(self, task: Task, reviewer: str, now: datetime, until: datetime) -> Task | None:
        """Lease this very slot, if it is free or already this reviewer's."""

    def held_like(self, item: Item, reviewer: str, now: datetime, limit: int) -> tuple[Task, ...]:
        """The other items of the same likeness that a reviewer has a live lease on."""

    def claim_like(
        self, item: Item, reviewer: str, now: datetime, until: datetime, limit: int
    ) -> tuple[Task, ...]:
        """Lease more items of the same likeness."""

    def reap(self, now: datetime) -> None:
        """Leases and snoozes that have run out become free."""

    def present(self, task: Task, presentation: Presentation) -> Task:
        """Show an item otherwise than it was drawn for; only before anybody has seen it."""

    def keep(
        self, item_id: str, reviewer: str, epoch: int, state: SlotState, until: datetime | None
    ) -> bool:
        """Lease longer, snooze or free a slot, if nobody else has taken it."""

    def finish(self, item_id: str, reviewer: str, epoch: int) -> Slot | None:
        """Close a slot, if nobody else has taken it since this epoch."""

    def pass_on(self, task: Task, reviewer: str, epoch: int, queue: Queue) -> bool:
        """Give a slot to others in a queue, and never again to this reviewer."""

    def shut_out(self, task: Task, reviewer: str) -> None:
        """Never offer an item to this reviewer again; they have said what they think of it."""

    def answered(
        self, slot: Slot, decision_id: int, closes_at: datetime, *, informed: bool
    ) -> None:
        """Remember the current decision of a slot, and until when it can be undone."""

    def revise(self, item_id: str, now: datetime, closes_at: datetime) -> bool:
        """Move the end of an item's window, if it is still open."""

    def reopen(self, task: Task, now: datetime, until: datetime) -> bool:
        """Take an answer back and lease the slot to its holder again, while the window is open."""

    def to_close(self, now: datetime, limit: int) -> tuple[str, ...]:
        """Items whose window is over."""

    def ask_another(self, task: Task, queue: Queue) -> bool:
        """Open a slot for another opinion, by somebody who has not seen the item."""

    def close(self, item_id: str, outcome: Label, source: Source, now: datetime) -> bool:
        """Make an outcome final; once."""

    def put_last(self, task: Task, sort_key: float) -> None:
        """Nobody waits for it any more: it comes after everything that somebody waits for."""

    def cancel(self, task: Task, now: datetime) -> None:
        """Take an item out of the queue."""

    def excluded(self, task: Task) -> frozenset[str]:
        """Who has had a say in an item, and may not be asked again."""

    def gold_source(self, model: str) -> Task | None:
        """The newest item whose truth is known and that was not repeated; none if many wait."""

    def stats(self, now: datetime) -> Mapping[str, Any]:
        """How many items wait, since when and why."""

    def waiting(self, model: str | None) -> int:
        """How many items wait, counted up to a thousand."""


class ReviewLog(Protocol):
    """What reviewers said and did, appended and never changed."""

    def sent_before(self, verdict: Verdict) -> Opinion | None:
        """What the reviewer has said about the item under the verdict's key before."""

    def add(self, verdict: Verdict, task: Task, now: datetime, *, counted: bool) -> Opinion | None:
        """Append a reviewer's answer to an item as they had it, unless they sent it before."""

    def current(self, item_id: str) -> tuple[Opinion, ...]:
        """The one current answer of each slot that has one, in the order of the slots."""

    def all(self, item_id: str) -> tuple[Opinion, ...]:
        """Every answer to an item, corrected and extra ones too, as they came."""

    def bulk(self, name: str, reviewer: str) -> tuple[Opinion, ...]:
        """The answers that a reviewer gave at one stroke."""

    def note(self, item_id: str, actor: str, action: str, now: datetime, **detail: object) -> None:
        """Append what somebody did with an item."""

    def note_once(
        self, sent: Passing, action: str, now: datetime, **detail: object
    ) -> Event | None:
        """Append it if it is sent for the first time; what was noted then, if it is not."""

    def events(self, item_id: str) -> tuple[Event, ...]:
        """What people did with an item besides answering it, as it happened."""


class ReviewBias(Protocol):
    """What seeing a model's answer does to reviewers."""

    def fallen_back(self, model: str) -> bool:
        """Whether its answers are shown after the reviewers' own, whatever the plan says."""

    def standing(self, model: str) -> Standing | None:
        """What was measured last; None if nothing was."""

    def keep(self, model: str, standing: Standing) -> None:
        """Store what was measured."""

    def trials(self, model: str, since: datetime) -> tuple[Trials, ...]:
        """What became of its errors, for each kind of item that was drawn alike."""


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

    @property
    def review_log(self) -> ReviewLog:
        """What reviewers said and did."""

    @property
    def bias(self) -> ReviewBias:
        """What seeing a model's answer does to reviewers."""

    def keep(self, record: Record) -> None:
        """Write a request's rows; those of many requests are written together."""

    def keep_beside(self, beside: Beside) -> None:
        """Write the rows of what shadows said, as above."""

    def has_room(self, quota: Quota, requests: int) -> bool:
        """Whether the day has room for so many more; others may take it."""

    def admit(self, quota: Quota, requests: int) -> bool:
        """Count so many more requests of the day, if there is room for all of them."""


class Ledger(Protocol):
    """Durable writes; many callers share one commit."""

    def write(
        self, work: Callable[[ServingUnit], T], in_time: Callable[[], object] | None = None
    ) -> Future[T]:
        """Run `work` in a transaction; the future resolves after the commit.

        in_time: raises when it has become too late to write this; asked again before the commit.
        """

    def read(self, work: Callable[[ServingUnit], T]) -> T:
        """Run `work` on a snapshot, in the caller's thread."""


class Payloads(Protocol):
    """Request bodies, by their content."""

    @property
    def is_near(self) -> bool:
        """Whether storing a body takes no longer than writing a row."""

    def put(self, data: bytes) -> str:
        """Store a body; gives its digest."""

    def deposit(self, data: bytes) -> "Future[str]":
        """The same soon, without waiting for it; for a store that is near."""

    def get(self, digest: str) -> bytes:
        """A body; NotFound if it is gone."""


class Generation(Protocol):
    """The routes of one moment, and the versions that they can call, loaded."""

    @property
    def snapshot(self) -> RoutingSnapshot:
        """The routes."""

    def run(
        self, model: str, version: int, data: bytes, *, aside: bool = False
    ) -> Awaitable[RawPrediction]:
        """What a version says; Unavailable if it is not loaded or has too much to do.

        aside: nobody waits for it, so it takes nothing that other versions' answers need.
        """


class Fleet(Protocol):
    """The current generation."""

    def admit(self) -> AbstractContextManager[Generation]:
        """Hold on to the current generation; its versions stay loaded meanwhile."""

    def problems(self) -> tuple[str, ...]:
        """Why this replica cannot answer everything that it should; empty when it can."""

    def warnings(self) -> tuple[str, ...]:
        """Which candidates it cannot run; others answer in their place."""
