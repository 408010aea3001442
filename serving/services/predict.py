"""Answering one request: route, run, decide, and write it all down before saying anything."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from hashlib import sha256
from json import JSONEncoder

from registry.domain.errors import Conflict, Invalid
from registry.domain.exposure import Exposure
from serving.domain.admission import Record, record
from serving.domain.asked import Asked
from serving.domain.exposing import failed_exposures
from serving.domain.failure import ModelFailed
from serving.domain.prediction import Prediction
from serving.domain.routing import Assignment, Quota
from serving.ports import Generation, Ledger, ServingUnit
from serving.services.predicting import Predicting, in_time
from serving.services.run import run
from serving.services.shadow import Answered, follow
from serving.steps import took

_encode = JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class PredictCommand:
    """A request as it came in.

    waiting: the caller stays on the line for a person's answer. wants_review: a person is to look
    at the answer whatever the model says. part_of: where this is one row of a request that has
    several, which of them and of which request. version: the only one that may answer. room: how
    many requests of the day it takes, where a scope limits them; one row may do so for the others.
    """

    model: str
    payload: bytes
    payload_type: str
    attributes: Mapping[str, object]
    idempotency_key: str | None = None
    waiting: bool = False
    wants_review: bool = False
    part_of: str = ""
    version: int | None = None
    room: int = 1

    @property
    def digest(self) -> str:
        """What makes two requests with the same idempotency key the same request."""
        attributes = _encode(self.attributes)
        head = f"{self.model}\0{attributes}\0{len(self.payload)}\0{self.part_of}".encode()
        return digest_of(head + self.payload)


def digest_of(data: bytes) -> str:
    """The digest that names a body in the store."""
    return "sha256:" + sha256(data).hexdigest()


async def predict(
    command: PredictCommand,
    world: Predicting,
    agreed: Callable[[], Awaitable[object]] | None = None,
) -> Prediction:
    """Answer or hold a request; it is stored durably before this returns.

    agreed: awaited once the answer is known and nothing is stored; what it raises keeps it so.
    """
    began = time.perf_counter()
    if earlier := await _earlier(command, world):
        if agreed is not None:  # other rows of the same request may wait for this one
            await agreed()
        return earlier
    now = world.clock()
    with ExitStack() as holding:
        generation = holding.enter_context(world.fleet.admit())
        assignment = generation.snapshot.assign(command.model, command.attributes, now)
        assignment = await _with_room(assignment, command.room, world.ledger)
        answered = await _work(command, world, generation, assignment, now)
        if agreed is not None:
            await agreed()
        stored = await _store(answered.record, assignment.quota, command, world, now)
        if stored is _Stored.NO_ROOM and assignment.when_full:
            answered = await _work(command, world, generation, assignment.when_full, now)
            stored = await _store(answered.record, None, command, world, now)
        if stored is _Stored.DONE and answered.assignment.shadows:
            follow(answered, generation, command.payload, world, holding.pop_all())
    if stored is _Stored.REPEATED:
        return await _earlier(command, world) or _lost(answered.record)
    world.measurements.predicted(answered.record.prediction, time.perf_counter() - began)
    return answered.record.prediction


async def _earlier(command: PredictCommand, world: Predicting) -> Prediction | None:
    """The stored answer to a repeated request; Invalid if the key was used for another one."""
    key = command.idempotency_key
    if key is None:
        return None

    def look(unit: ServingUnit) -> Prediction | None:
        return unit.predictions.by_key(command.model, key)

    earlier = await asyncio.to_thread(world.ledger.read, look)
    if earlier and earlier.request_digest != command.digest:
        raise Invalid(
            f"The Idempotency-Key {key!r} was used for a different request to {command.model}; "
            "send a new key with a new request."
        )
    return earlier


async def _with_room(assignment: Assignment, wanted: int, ledger: Ledger) -> Assignment:
    """Spare the candidate what its day has no room for; the count itself is taken at the end."""
    quota, otherwise = assignment.quota, assignment.when_full
    if quota is None or otherwise is None:
        return assignment
    room = await asyncio.to_thread(ledger.read, lambda unit: unit.has_room(quota, wanted))
    return assignment if room else otherwise


async def _work(
    command: PredictCommand,
    world: Predicting,
    generation: Generation,
    assignment: Assignment,
    now: datetime,
) -> Answered:
    _insist(command, assignment.answering)
    try:
        ran = await run(generation, assignment, command.payload, world.patience)
    except ModelFailed:
        await _keep_failure(failed_exposures(assignment, command.attributes, now), world, now)
        raise
    asked = await _asked(command, world, now)
    written = record(asked, assignment, ran.outcome, ran.raws, ran.failures, ran.timing)
    _insist(command, written.prediction.version)  # another one may have stood in
    return Answered(asked, assignment, ran, written)


def _insist(command: PredictCommand, answering: int | None) -> None:
    if command.version not in {None, answering}:
        by = "a person" if answering is None else f"version {answering}"
        raise Conflict(
            f"{command.model}@{command.version} was asked for, but by the rollout {by}"
            " answers such requests; leave the version out"
        )


async def _keep_failure(exposures: Sequence[Exposure], world: Predicting, now: datetime) -> None:
    """The baseline's failures are no predictions, but the candidate's are measured by them."""
    if not exposures:
        return

    def work(unit: ServingUnit) -> None:
        for exposure in exposures:
            unit.registry.exposures.add(exposure)

    await asyncio.wrap_future(world.ledger.write(work, lambda: in_time(world, now)))


async def _asked(command: PredictCommand, world: Predicting, now: datetime) -> Asked:
    """The request with what it is given; a store that is far away takes its body meanwhile."""
    if not world.payloads.is_near:
        in_time(world, now)
        await world.storing.run(lambda: world.payloads.put(command.payload))
    return Asked(
        prediction_id=world.new_id(now),
        item_id=world.new_id(now),
        payload_digest=digest_of(command.payload),
        payload_type=command.payload_type,
        attributes=command.attributes,
        idempotency_key=command.idempotency_key,
        request_digest=command.digest,
        waiting=command.waiting,
        random_number=world.draw(),
        presentation_number=world.draw(),
        now=now,
        gold_number=world.draw(),
        gold_id=world.new_id(now),
        wants_review=command.wants_review,
    )


class _Stored(Enum):
    DONE = auto()
    NO_ROOM = auto()
    REPEATED = auto()


async def _store(
    written: Record,
    quota: Quota | None,
    command: PredictCommand,
    world: Predicting,
    now: datetime,
) -> _Stored:
    """Commit, unless the quota is full or the same idempotency key was faster.

    The body is stored before any row names it, and outside of the transaction: it waits for the
    disk by itself, and others of the group would wait for it.
    """

    def work(unit: ServingUnit) -> _Stored:
        if quota is not None and not unit.admit(quota, command.room):
            return _Stored.NO_ROOM
        unit.keep(written)
        return _Stored.DONE

    in_time(world, now)
    if world.payloads.is_near:
        await asyncio.wrap_future(world.payloads.deposit(command.payload))
    began = time.perf_counter()
    try:
        return await asyncio.wrap_future(world.ledger.write(work, lambda: in_time(world, now)))
    except Conflict:
        return _Stored.REPEATED
    finally:
        took("log commit", began, time.perf_counter())


def _lost(written: Record) -> Prediction:
    raise Conflict(f"Prediction {written.prediction.id} could not be stored; send it again.")
