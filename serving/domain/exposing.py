"""What a request says about the arm that its unit is in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.domain.exposure import Exposure
from registry.domain.stages import Stage
from serving.domain.decide import Answer, Hold, Outcome, StandIn
from serving.domain.failure import Failure
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Assignment


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the answering version took, if it was asked, and whether that is too long.

    The baseline's slow answers go out all the same, but where arms are compared they count as what
    they would be for a candidate: a time-out.
    """

    seconds: float | None = None
    too_long: bool = False


UNTIMED = Timing()


def exposure(
    assignment: Assignment,
    outcome: Outcome,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
    timing: Timing,
    now: datetime,
) -> Exposure | None:
    """What to write about a request; None unless its unit is in one of the arms."""
    failure = failures.get(assignment.answering) if assignment.answering is not None else None
    failed = timing.too_long or (failure is not None and failure.counts)
    milliseconds = None if timing.seconds is None else timing.seconds * 1_000
    action = _action(assignment, outcome, raws)
    return _exposure(assignment, now, milliseconds, failed=failed, action=action)


def failed_exposure(assignment: Assignment, now: datetime) -> Exposure | None:
    """What is left to write of a request that the baseline failed on."""
    mine = assignment.answering == assignment.candidate
    return None if mine else _exposure(assignment, now, None, failed=True)


def _exposure(
    assignment: Assignment,
    now: datetime,
    answer_ms: float | None,
    *,
    failed: bool,
    action: str | None = None,
) -> Exposure | None:
    rollout, lot = assignment.rollout, assignment.lot
    if rollout is None or lot is None:
        return None
    drawn = rollout.stage is Stage.GRADUAL
    return Exposure(
        rollout_id=rollout.id,
        stage=rollout.stage,
        step=rollout.step,
        epoch=rollout.generation,
        share=round(rollout.weight / 100, 12) if drawn else 1.0,
        arm=lot.arm,
        unit=lot.unit,
        action=action,
        failed=failed,
        answer_ms=answer_ms,
        created_at=now,
    )


def _action(
    assignment: Assignment, outcome: Outcome, raws: Mapping[int, RawPrediction]
) -> str | None:
    """The label that the caller is told; where a person approves every answer, the one proposed."""
    if isinstance(outcome, Answer):
        return outcome.raw.label
    if isinstance(outcome, StandIn):
        return raws[outcome.version].label
    proposed = raws.get(assignment.answering) if assignment.answering is not None else None
    supervised = isinstance(outcome, Hold) and assignment.hold and not outcome.flags
    return proposed.label if supervised and proposed else None
