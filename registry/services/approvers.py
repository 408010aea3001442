"""Who may approve a promotion: nobody judges alone what they made, or what they judged."""

from registry.domain.approvers import objection_to
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork


def objection(unit: UnitOfWork, rollout: Rollout, actor: str) -> str | None:
    """Why an approval of this person does not count here, as a sentence; None if it does."""
    author = unit.versions.get(rollout.model, rollout.version).author
    return objection_to(rollout, actor, author, unit.evidence.reviewers(rollout.id, rollout.stage))
