"""Who may approve a promotion: nobody judges alone what they made, or what they judged."""

from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork


def objection(unit: UnitOfWork, rollout: Rollout, actor: str) -> str | None:
    """Why an approval of this person does not count here, as a sentence; None if it does."""
    name = f"{rollout.model}@{rollout.version}"
    if unit.versions.get(rollout.model, rollout.version).author == actor:
        return f"{actor} registered {name}; somebody else must approve it"
    verdicts = unit.evidence.reviewers(rollout.id, rollout.stage)
    mine, total = verdicts.get(actor, 0), sum(verdicts.values())
    if 2 * mine > total:
        return (
            f"{actor} gave {mine} of the {total} verdicts that this evidence rests on; somebody "
            "who reviewed less of it must approve it"
        )
    return None
