"""From what was measured to what gates look at; a certificate goes through the same door."""

from datetime import datetime

from registry.domain.drift_gate import ENOUGH_INPUTS
from registry.domain.evidence import DriftMeasurement, ReviewerTally
from registry.domain.evidence_table import EvidenceTable
from registry.domain.gates import Evidence
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage

_GLOB = set("*?[")


def segments_of(rollout: Rollout) -> tuple[str, ...]:
    """The attributes that a gate of the present stage looks at value by value."""
    by_segment = any(gate.options.get("per_segment") for gate in rollout.stage_plan.gates)
    return rollout.plan.segments if by_segment else ()


def counted_for_drift(rollout: Rollout, drift: DriftMeasurement | None) -> int | None:
    """Up to how many answers of the stage need to be counted to say how many inputs were compared.

    None: the measurement says it by itself. A window may reach back into the stage before; its
    newest inputs are this stage's.
    """
    if drift is None or drift.window_from >= rollout.stage_since:
        return None
    return min(drift.rows, ENOUGH_INPUTS)


def assemble(
    rollout: Rollout,
    now: datetime,
    answers: EvidenceTable,
    drift: DriftMeasurement | None,
    answers_until: int,
    reviewers: ReviewerTally,
) -> Evidence:
    """The evidence of the stage that the rollout is in.

    answers_until: how many answers the stage gave up to the end of the measured window, counted as
    far as `counted_for_drift` says.
    """
    review = rollout.stage_plan.review
    compared = 0 if drift is None else drift.rows
    return Evidence(
        answers=answers,
        drift=drift,
        defaults=rollout.plan.defaults,
        now=now,
        compared=compared if counted_for_drift(rollout, drift) is None else answers_until,
        segments=segments_of(rollout),
        expected=_expected_segments(rollout),
        inclusion=min(review.sample, review.flagged),
        step=rollout.step if rollout.stage is Stage.GRADUAL else None,
        reviewers=reviewers,
    )


def _expected_segments(rollout: Rollout) -> dict[str, tuple[str, ...]]:
    """Values that the scope names one by one; globs are met as they come."""
    where = rollout.stage_plan.scope.where
    return {
        name: tuple(value for value in where.get(name, ()) if not _GLOB & set(value))
        for name in rollout.plan.segments
    }
