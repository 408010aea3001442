"""Judge a rollout: gather what its gates look at and weigh it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.decision import Hold, Judgement, evidence_digest, judge_watched
from registry.domain.decision import judge as weigh
from registry.domain.drift_gate import ENOUGH_INPUTS
from registry.domain.evidence import DriftMeasurement, ReviewerTally
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Judged
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.ports import UnitOfWork
from registry.services.approvers import objection

_GLOB = set("*?[")
# Rows that were numbered earlier and committed later do not always show in a mark.
_REMEMBERED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: tuple[object, ...]
    at: datetime
    until: datetime
    gates: tuple[Judged, ...]


class GateMemory:
    """What the gates of each model's candidate said last, for those who look again and again.

    It is used while nothing that they look at has changed, and for a few seconds at most. Whoever
    changes a rollout judges without it.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def gates(self, unit: UnitOfWork, rollout: Rollout, now: datetime) -> tuple[Judged, ...]:
        """The verdicts of all gates, judged anew where there is something new."""
        drift = _newest_drift(unit, rollout)
        evidence = unit.evidence.mark(rollout.id, rollout.stage, now)
        reviewers = unit.checks.tally(rollout.model, rollout.started_at)
        mark = (rollout.id, rollout.generation, evidence, drift.at if drift else None, reviewers)
        seen = self._seen.get(rollout.model)
        if seen is None or seen.mark != mark or not seen.at <= now < seen.until:
            gates = judge_gates(
                rollout.stage_plan.gates, gather(unit, rollout, now, drift, reviewers)
            )
            until = min(now + _REMEMBERED, evidence.next_due or now + _REMEMBERED)
            seen = self._seen[rollout.model] = _Seen(mark, now, until, gates)
        return seen.gates


def judge(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory | None = None
) -> Judgement:
    """What all gates say now, what is missing, and what follows."""
    if rollout.watched:
        return judge_watched(rollout, (memory or GateMemory()).gates(unit, rollout, now))
    if not rollout.active:
        name = f"{rollout.model}@{rollout.version}"
        return Judgement(Hold((f"{name} is {rollout.stage}; nothing is being decided",)))
    gates = (memory or GateMemory()).gates(unit, rollout, now)
    given = unit.approvals.actors(rollout, evidence_digest(rollout, gates))
    return weigh(rollout, gates, tuple(a for a in given if not objection(unit, rollout, a)), now)


def gather(
    unit: UnitOfWork,
    rollout: Rollout,
    now: datetime,
    drift: DriftMeasurement | None,
    reviewers: ReviewerTally,
) -> Evidence:
    """The evidence of the stage that the rollout is in."""
    review, gates = rollout.stage_plan.review, rollout.stage_plan.gates
    by_segment = any(gate.options.get("per_segment") for gate in gates)
    segments = rollout.plan.segments if by_segment else ()
    return Evidence(
        answers=unit.evidence.table(rollout.id, rollout.stage, now, segments),
        drift=drift,
        defaults=rollout.plan.defaults,
        now=now,
        compared=_compared(unit, rollout, drift),
        segments=segments,
        expected=_expected_segments(rollout),
        inclusion=min(review.sample, review.flagged),
        step=rollout.step if rollout.stage is Stage.GRADUAL else None,
        reviewers=reviewers,
    )


def _newest_drift(unit: UnitOfWork, rollout: Rollout) -> DriftMeasurement | None:
    newest = next(iter(unit.drift.recent(rollout.model, rollout.version, limit=1)), None)
    return newest if newest and newest.at >= rollout.stage_since else None


def _compared(unit: UnitOfWork, rollout: Rollout, drift: DriftMeasurement | None) -> int:
    """How many inputs of this stage the measurement has seen: at least as many as were answered.

    A window may reach back into the stage before; its newest inputs are this stage's.
    """
    if drift is None:
        return 0
    if drift.window_from >= rollout.stage_since:
        return drift.rows
    most = min(drift.rows, ENOUGH_INPUTS)
    return unit.evidence.answers_until(rollout.id, rollout.stage, drift.window_to, most)


def _expected_segments(rollout: Rollout) -> dict[str, tuple[str, ...]]:
    """Values that the scope names one by one; globs are met as they come."""
    where = rollout.stage_plan.scope.where
    return {
        name: tuple(value for value in where.get(name, ()) if not _GLOB & set(value))
        for name in rollout.plan.segments
    }
