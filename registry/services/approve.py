"""Approve a promotion, for exactly the evidence that the approver saw."""

from datetime import datetime

from registry.domain.errors import Conflict, Forbidden, StageConflict
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork
from registry.services import record
from registry.services.approvers import objection
from registry.services.find import check_generation, latest
from registry.services.judge import Looked, judge
from registry.services.promote import summary


def approve(
    unit: UnitOfWork,
    model: str,
    actor: str,
    evidence: str,
    now: datetime,
    note: str = "",
    expected_generation: int | None = None,
    seen: Looked | None = None,
) -> Rollout:
    """Keep an approval; it lapses when something new speaks against the candidate.

    seen: what a look found just before that kept nobody from writing.
    """
    rollout = latest(unit, model)
    check_generation(rollout, expected_generation)
    name = f"{model}@{rollout.version}"
    if not rollout.active:
        raise StageConflict(f"{name} is {rollout.stage.words}; there is nothing to approve")
    judgement = seen.judgement if seen and seen.holds(rollout) else judge(unit, rollout, now)
    present = judgement.evidence_digest
    if evidence != present:
        raise Conflict(
            f"there is no evidence {evidence} now; look at the gates again and approve {present}"
        )
    if why := objection(unit, rollout, actor):
        raise Forbidden(why)
    unit.approvals.add(rollout, actor, evidence, note, now)
    record.note(unit, rollout, actor, "approved", now, {**summary(judgement), "note": note})
    return rollout
