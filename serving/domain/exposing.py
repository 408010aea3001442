"""What a request says about the arm that its unit is in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from registry.domain.evidence import Arm
from registry.domain.exposure import Exposure
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.traffic import reads_traffic, traffic_by_segment
from serving.domain.decide import Answer, Hold, Outcome, StandIn
from serving.domain.failure import Failure
from serving.domain.prediction import RawPrediction
from serving.domain.routing import Assignment, Lot, unit_hash, unit_of


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the answering version took, if it was asked, and whether that is too long.

    The baseline's slow answers go out all the same, but where arms are compared they count as what
    they would be for a candidate: a time-out.
    """

    seconds: float | None = None
    too_long: bool = False


UNTIMED = Timing()


def exposures(
    assignment: Assignment,
    outcome: Outcome,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
    timing: Timing,
    attributes: Mapping[str, object],
    now: datetime,
) -> tuple[Exposure, ...]:
    """What to write about a request, for each rollout that it tells something of.

    That is one in which its unit is in an arm, and one whose version answers it under watch.
    """
    failure = failures.get(assignment.answering) if assignment.answering is not None else None
    failed = timing.too_long or (failure is not None and failure.counts)
    milliseconds = None if timing.seconds is None else timing.seconds * 1_000
    action = _action(assignment, outcome, raws)
    return tuple(
        _exposure(rollout, lot, attributes, now, milliseconds, failed=failed, action=action)
        for rollout, lot in _told_of(assignment, attributes)
    )


def failed_exposures(
    assignment: Assignment, attributes: Mapping[str, object], now: datetime
) -> tuple[Exposure, ...]:
    """What is left to write of a request that the baseline, or a live version, failed on."""
    if assignment.answering == assignment.candidate:
        return ()
    return tuple(
        _exposure(rollout, lot, attributes, now, None, failed=True)
        for rollout, lot in _told_of(assignment, attributes)
    )


def _told_of(
    assignment: Assignment, attributes: Mapping[str, object]
) -> Iterator[tuple[Rollout, Lot]]:
    if assignment.rollout is not None and assignment.lot is not None:
        yield assignment.rollout, assignment.lot
    watched = assignment.watched
    if watched is None or not reads_traffic(watched.stage_plan.gates):
        return
    unit = unit_of(watched, attributes)
    if unit is not None:
        yield watched, Lot(Arm.CANDIDATE, unit_hash(watched.salt, unit))


def _exposure(
    rollout: Rollout,
    lot: Lot,
    attributes: Mapping[str, object],
    now: datetime,
    answer_ms: float | None,
    *,
    failed: bool,
    action: str | None = None,
) -> Exposure:
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
        segments=_segments(rollout, attributes),
    )


def _segments(rollout: Rollout, attributes: Mapping[str, object]) -> Mapping[str, str] | None:
    """Only where a gate on traffic looks at them one by one: there is a row for each request."""
    if not traffic_by_segment(rollout.stage_plan.gates):
        return None
    names = rollout.plan.segments
    return {name: str(attributes[name]) for name in names if name in attributes}


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
