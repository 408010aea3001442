"""A rollout and its judgement as the JSON that the API shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from registry.domain.deadlines import deadline_at, what_happens
from registry.domain.decision import Judgement, gate_record
from registry.domain.evidence import AuditEvent
from registry.domain.gates import Judged
from registry.domain.readings import Series
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage


def rollout_document(
    rollout: Rollout,
    judgement: Judgement,
    live: int | None,
    previous: int | None,
    returns_to: int | None = None,
) -> dict[str, Any]:
    """Everything that the CLI and the pages show of a rollout.

    returns_to: what answers if the live version is taken back; None: nothing does.
    """
    following = judgement.next
    return {
        "id": rollout.id,
        "model": rollout.model,
        "version": rollout.version,
        "baseline": rollout.baseline,
        "stage": rollout.stage.value,
        "stages": [part.stage.value for part in rollout.plan.stages],
        "step": rollout.step,
        "steps": _steps(rollout),
        "weight": rollout.weight,
        "generation": rollout.generation,
        "paused": _paused(rollout),
        "live": live,
        "previous": previous,
        "returns_to": returns_to,
        "plan_digest": rollout.plan_digest,
        "started_by": rollout.started_by,
        "started_at": rollout.started_at.isoformat(),
        "stage_since": rollout.stage_since.isoformat(),
        "step_since": rollout.step_since.isoformat(),
        "ended_at": rollout.ended_at.isoformat() if rollout.ended_at else None,
        "watched_until": rollout.watched_until.isoformat() if rollout.watched_until else None,
        "deadline": _deadline(rollout),
        "gates": gate_documents(judgement.gates),
        "decision": {
            "action": judgement.decision.action,
            "reasons": list(judgement.decision.reasons),
        },
        "approvals": {
            "needed": judgement.approvals_needed,
            "given": list(judgement.approvals_given),
        },
        "evidence_digest": judgement.evidence_digest,
        "next": following.stage.value if following else None,
    }


def gate_documents(gates: Sequence[Judged]) -> list[dict[str, Any]]:
    """What each gate says, with its numbers."""
    return [gate_record(gate) for gate in gates]


def event_document(event: AuditEvent) -> dict[str, Any]:
    """One entry of the audit log."""
    return {
        "sequence": event.sequence,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "model": event.model,
        "version": event.version,
        "rollout_id": event.rollout_id,
        "detail": dict(event.detail),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def readings_document(rollout: Rollout, stages: Mapping[Stage, Sequence[Series]]) -> dict[str, Any]:
    """How far each gate has come, stage by stage.

    A point is [time, verdict, evidence for promotion, evidence of harm]; evidence is a part of
    what is needed, in logarithms: 1 is the threshold, 0 the beginning, null where there is none.
    """
    return {
        "rollout_id": rollout.id,
        "version": rollout.version,
        "stages": [
            {"stage": stage.value, "gates": [_series(one) for one in series]}
            for stage, series in stages.items()
        ],
    }


def last_readings(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Where each gate of a stage stood when it was last written down."""
    return [_last(one) for one in series if one.readings]


def _last(series: Series) -> dict[str, Any]:
    reading = series.readings[-1]
    return {
        "type": series.type,
        "segment": series.segment,
        "at": reading.at.isoformat(),
        "verdict": reading.verdict,
        "for_pass": reading.for_pass,
        "for_harm": reading.for_harm,
    }


def _series(series: Series) -> dict[str, Any]:
    points = [[r.at.isoformat(), r.verdict, r.for_pass, r.for_harm] for r in series.readings]
    return {"type": series.type, "segment": series.segment, "points": points}


def _deadline(rollout: Rollout) -> dict[str, str] | None:
    deadline, at = (rollout.stage_plan.deadline if rollout.active else None), deadline_at(rollout)
    if deadline is None or at is None:
        return None
    sentence = f"if nobody acts, {what_happens(deadline, rollout.baseline)}"
    return {"at": at.isoformat(), "then": deadline.then.value, "sentence": sentence}


def _paused(rollout: Rollout) -> dict[str, str] | None:
    if rollout.paused is None:
        return None
    return {"by": rollout.paused.by, "reason": rollout.paused.reason}


def _steps(rollout: Rollout) -> list[dict[str, float]]:
    return [
        {"weight": step.weight, "bake_seconds": step.bake_seconds}
        for part in rollout.plan.stages
        if part.stage is Stage.GRADUAL
        for step in part.steps
    ]
