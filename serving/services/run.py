"""Running the versions that an assignment names, and what follows from what they say.

A candidate that fails costs the caller nothing: the baseline answers instead, or a person does.
"""

import asyncio
import time
from collections.abc import Mapping
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
    """How long a candidate may take to answer, and a shadow after the answer is there."""

    answer_seconds: float = 30.0
    shadow_seconds: float = 0.25


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
    """Run the answering version with its shadows, and a stand-in where one is needed."""
    shadows = {
        version: asyncio.create_task(_shadow(generation, assignment.model, version, payload))
        for version in assignment.shadows
    }
    try:
        began = time.perf_counter()
        answering = await _answering(generation, assignment, payload, patience)
        seconds = time.perf_counter() - began
        if shadows:
            await asyncio.wait(shadows.values(), timeout=patience.shadow_seconds)
    finally:
        late = {version for version, task in shadows.items() if not task.done()}
        for task in shadows.values():
            task.cancel()
    said = {v: _too_slow(patience) if v in late else t.result() for v, t in shadows.items()}
    if assignment.answering is not None and answering is not None:
        said[assignment.answering] = answering
    ran = await _decided(generation, assignment, payload, answering, said)
    if answering is None or (isinstance(answering, Failure) and not answering.counts):
        return ran
    return replace(ran, timing=Timing(seconds, seconds > patience.answer_seconds))


async def _answering(
    generation: Generation, assignment: Assignment, payload: bytes, patience: Patience
) -> RawPrediction | Failure | None:
    """A trusted version's failure is the caller's to hear, a candidate's is only recorded."""
    version = assignment.answering
    if version is None:
        return None
    asked = generation.run(assignment.model, version, payload)
    if version != assignment.candidate:
        return await asked
    try:
        return await asyncio.wait_for(asked, patience.answer_seconds)
    except TimeoutError:
        name = f"{assignment.model}@{version}"
        return Failure(f"{name} gave no answer in {patience.answer_seconds:g} s", counts=True)
    except ModelFailed as error:
        return Failure(str(error), counts=True)
    except Unavailable as error:
        if assignment.fallback is None:
            raise
        return Failure(str(error), counts=False)


async def _shadow(
    generation: Generation, model: str, version: int, payload: bytes
) -> RawPrediction | Failure:
    """An input that the answering version can read and this one cannot is a failure too."""
    try:
        return await generation.run(model, version, payload)
    except Unavailable as error:
        return Failure(str(error), counts=False)
    except Exception as error:  # noqa: BLE001 - nothing of a shadow may reach the caller
        return Failure(str(error), counts=True)


def _too_slow(patience: Patience) -> Failure:
    waited = f"{patience.shadow_seconds:g} s after the answer"
    return Failure(f"dropped: not ready {waited}", counts=False)


async def _decided(
    generation: Generation,
    assignment: Assignment,
    payload: bytes,
    answering: RawPrediction | Failure | None,
    said: Mapping[int, RawPrediction | Failure],
) -> Ran:
    raws = {v: one for v, one in said.items() if isinstance(one, RawPrediction)}
    failures = {v: one for v, one in said.items() if isinstance(one, Failure)}
    if not isinstance(answering, Failure):
        outcome = decide(assignment, answering)
    else:
        outcome = decide_without(assignment, answering)
    version = _wanted(assignment, outcome)
    if version is None:
        return Ran(outcome, raws, failures)
    try:
        raws[version] = await generation.run(assignment.model, version, payload)
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
