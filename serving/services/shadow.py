"""Running the shadows of a request that has been answered, and writing down what they said."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import structlog

from registry.domain.errors import Unavailable
from serving.domain.admission import Record
from serving.domain.asked import Asked
from serving.domain.failure import Failure
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Assignment
from serving.domain.shadowing import Shadowed, beside
from serving.ports import Generation, ServingUnit
from serving.services.later import Work
from serving.services.predicting import Predicting, in_time
from serving.services.run import Patience, Ran, within

_log = structlog.get_logger(__name__)
# What has waited longer says nothing about now, and could no longer be written in time.
STALE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request as it was answered."""

    asked: Asked
    assignment: Assignment
    ran: Ran
    record: Record


def follow(
    answered: Answered,
    generation: Generation,
    payload: bytes,
    world: Predicting,
    holding: ExitStack,
) -> None:
    """Run the shadows soon, if there is room; `holding` is closed once they need no version."""

    def drop() -> None:
        holding.close()
        _count(answered, world, dict.fromkeys(answered.assignment.shadows, Shadowed.DROPPED))

    async def work() -> None:
        with holding:
            if world.clock() - answered.asked.now > STALE:
                drop()
                return
            said = await _said(answered.assignment, generation, payload, world.patience)
        await _keep(answered, said, world)

    world.later.add(Work(work, drop, len(payload)))


async def _said(
    assignment: Assignment, generation: Generation, payload: bytes, patience: Patience
) -> Mapping[int, RawPrediction | Failure]:
    named = assignment.shadows
    runs = (_one(generation, assignment.model, version, payload, patience) for version in named)
    return dict(zip(named, await asyncio.gather(*runs), strict=True))


async def _one(
    generation: Generation, model: str, version: int, payload: bytes, patience: Patience
) -> RawPrediction | Failure:
    """An input that the answering version can read and this one cannot is a failure too."""
    asked = generation.run(model, version, payload, aside=True)
    try:
        return await within(asked, patience.shadow_seconds, f"{model}@{version}")
    except Unavailable as error:
        return Failure(str(error), counts=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the shadow's
        return Failure(str(error), counts=True)


async def _keep(
    answered: Answered, said: Mapping[int, RawPrediction | Failure], world: Predicting
) -> None:
    raws = {v: one for v, one in said.items() if isinstance(one, RawPrediction)}
    failures = {v: one for v, one in said.items() if isinstance(one, Failure)}
    asked, ran = answered.asked, answered.ran
    both = {**ran.raws, **raws}
    rows = beside(asked, answered.assignment, ran.outcome, both, failures, answered.record)

    def keep(unit: ServingUnit) -> None:
        unit.keep_beside(rows)

    outcomes = {version: _outcome(one) for version, one in said.items()}
    try:
        written = world.ledger.write(keep, lambda: in_time(world, asked.now))
        await asyncio.wrap_future(written)
    except Exception as error:  # noqa: BLE001 - the database may be away; its caller has the answer
        _log.warning("shadow not kept", model=answered.assignment.model, error=str(error))
        outcomes = dict.fromkeys(said, Shadowed.DROPPED)
    for version, failure in failures.items():
        name = f"{answered.assignment.model}@{version}"
        _log.warning("no shadow answer", version=name, reason=failure.reason)
    _count(answered, world, outcomes)


def _outcome(said: RawPrediction | Failure) -> Shadowed:
    if isinstance(said, RawPrediction):
        return Shadowed.ANSWERED
    return Shadowed.FAILED if said.counts else Shadowed.DROPPED


def _count(answered: Answered, world: Predicting, outcomes: Mapping[int, Shadowed]) -> None:
    for version, outcome in outcomes.items():
        world.measurements.shadowed(answered.assignment.model, version, outcome)
