"""From what was measured to what gates look at; a certificate goes through the same door."""

from collections.abc import Mapping
from datetime import datetime

from registry.domain.drift_gate import ENOUGH_INPUTS
from registry.domain.evidence import DriftMeasurement, ReviewerTally
from registry.domain.gates import Evidence
from registry.domain.rollout import Rollout
from registry.domain.running import Answers, Counting
from registry.domain.segmented_traffic import SegmentedTraffic
from registry.domain.stages import Stage
from registry.domain.traffic import TRAFFIC_GATES, traffic_before, traffic_by_segment

_GLOB = set("*?[")


def counting_of(rollout: Rollout) -> Counting:
    """How the answers of the present stage are counted."""
    sides = [gate for gate in rollout.stage_plan.gates if gate.type == "error-ratio"]
    beside = bool(sides) and rollout.stage is Stage.GRADUAL
    return Counting(
        segments=expected_segments(rollout),
        since=rollout.baseline_generation,
        visit_seconds=rollout.plan.visit_seconds,
        sides=beside,
        sides_by_segment=beside and any(gate.options.get("per_segment") for gate in sides),
    )


def traffic_of(rollout: Rollout) -> SegmentedTraffic:
    """Nothing counted yet of the present stage's traffic, but all that its gates ask for."""
    return SegmentedTraffic.before(traffic_before(rollout), traffic_segments(rollout))


def expected_segments(rollout: Rollout) -> Mapping[str, tuple[str, ...]]:
    """The attributes that a gate on verdicts of the present stage looks at value by value.

    With the values that must come: those that the scope names one by one. Globs are met as they
    come.
    """
    gates = [gate for gate in rollout.stage_plan.gates if gate.type not in TRAFFIC_GATES]
    return _expected(rollout) if any(g.options.get("per_segment") for g in gates) else {}


def traffic_segments(rollout: Rollout) -> Mapping[str, tuple[str, ...]]:
    """The same for its gates on traffic."""
    return _expected(rollout) if traffic_by_segment(rollout.stage_plan.gates) else {}


def _expected(rollout: Rollout) -> Mapping[str, tuple[str, ...]]:
    where = rollout.stage_plan.scope.where
    return {
        name: tuple(value for value in where.get(name, ()) if not _GLOB & set(value))
        for name in rollout.plan.segments
    }


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
    answers: Answers,
    drift: DriftMeasurement | None,
    answers_until: int,
    reviewers: ReviewerTally,
    traffic: SegmentedTraffic,
) -> Evidence:
    """The evidence of the stage that the rollout is in.

    answers_until: how many answers the stage gave up to the end of the measured window, counted as
    far as `counted_for_drift` says.
    """
    review, gradual = rollout.stage_plan.review, rollout.stage is Stage.GRADUAL
    compared = 0 if drift is None else drift.rows
    return Evidence(
        answers=answers,
        drift=drift,
        defaults=rollout.plan.defaults,
        now=now,
        compared=compared if counted_for_drift(rollout, drift) is None else answers_until,
        inclusion=min(review.sample, review.flagged),
        step=rollout.step if gradual else None,
        weights=tuple(step.weight for step in rollout.stage_plan.steps) if gradual else (),
        reviewers=reviewers,
        traffic=traffic.whole,
        traffic_of=traffic.segments,
        baseline=rollout.baseline is not None and rollout.stage is Stage.GRADUAL,
        alone=rollout.stage is Stage.LIVE,
    )
