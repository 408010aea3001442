"""Running the versions that an assignment names, and what follows from what they say.

A candidate that fails costs the caller nothing: the baseline answers instead, or a person does.
"""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from registry.domain.errors import StagegateError, Unavailable
from registry.domain.plan import Late
from serving.domain.decide import Hold, Outcome, StandIn, decide, decide_without, hold_back
from serving.domain.exposing import UNTIMED, Timing
from serving.domain.failure import Failure, ModelFailed
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Assignment
from serving.ports import Generation

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a candidate may take to answer, any other version, and a shadow in its turn."""

    answer_seconds: float = 30.0
    trusted_seconds: float = 40.0  # soon after that, nothing of it could be stored any more
    shadow_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What the versions said, why others said nothing, and what the caller is told."""

    outcome: Outcome
    raws: Mapping[int, RawPrediction]
    failures: Mapping[int, Failure] = field(default_factory=dict)
    timing: Timing = UNTIMED


async def run(
    generation: Generation, assignment: Assignment, payload: bytes, patience: Patience
) -> Ran:
    """Run the answering version, and a stand-in where one is needed."""
    began = time.perf_counter()
    answering = await _answering(generation, assignment, payload, patience)
    seconds = time.perf_counter() - began
    ran = await _decided(generation, assignment, payload, answering, patience)
    if answering is None or (isinstance(answering, Failure) and not answering.counts):
        return ran
    return replace(ran, timing=Timing(seconds, seconds > patience.answer_seconds))


async def within(asked: Awaitable[RawPrediction], seconds: float, name: str) -> RawPrediction:
    """What a version says; ModelFailed if it takes longer than this."""
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError:
        raise ModelFailed(f"{name} gave no answer in {seconds:g} s") from None


async def _answering(
    generation: Generation, assignment: Assignment, payload: bytes, patience: Patience
) -> RawPrediction | Failure | None:
    """A trusted version's failure is the caller's to hear, a candidate's is only recorded."""
    version = assignment.answering
    if version is None:
        return None
    asked = generation.run(assignment.model, version, payload)
    name = f"{assignment.model}@{version}"
    if version != assignment.candidate:
        return await within(asked, patience.trusted_seconds, name)
    try:
        return await within(asked, patience.answer_seconds, name)
    except ModelFailed as error:
        return Failure(str(error), counts=True)
    except Unavailable as error:
        if assignment.fallback is None:
            raise
        return Failure(str(error), counts=False)


async def _decided(
    generation: Generation,
    assignment: Assignment,
    payload: bytes,
    answering: RawPrediction | Failure | None,
    patience: Patience,
) -> Ran:
    raws: dict[int, RawPrediction] = {}
    failures: dict[int, Failure] = {}
    outcome: Outcome
    if isinstance(answering, Failure):
        outcome = decide_without(assignment, answering)
        if assignment.answering is not None:
            failures[assignment.answering] = answering
    else:
        outcome = decide(assignment, answering)
        if answering is not None:
            raws[answering.version] = answering
    version = _wanted(assignment, outcome)
    if version is None:
        return Ran(outcome, raws, failures)
    try:
        asked = generation.run(assignment.model, version, payload)
        name = f"{assignment.model}@{version}"
        raws[version] = await within(asked, patience.trusted_seconds, name)
    except StagegateError as error:
        if isinstance(answering, Failure) and not answering.counts:
            raise  # neither version is there: the caller can try again
        _log.warning("baseline failed", model=assignment.model, version=version, error=str(error))
        if isinstance(outcome, StandIn):
            outcome = hold_back(outcome.flags)
    return Ran(outcome, raws, failures)


def _wanted(assignment: Assignment, outcome: Outcome) -> int | None:
    """The baseline, where it answers or would answer when a review is late."""
    late = isinstance(outcome, Hold) and assignment.review.late is Late.BASELINE
    return assignment.fallback if late or isinstance(outcome, StandIn) else None
