"""Who may approve a promotion: nobody judges alone what they made, or what they judged."""

from collections.abc import Mapping

from registry.domain.rollout import Rollout


def objection_to(
    rollout: Rollout, actor: str, author: str, verdicts: Mapping[str, int]
) -> str | None:
    """Why an approval of this person does not count here, as a sentence; None if it does.

    verdicts: how many of the stage's verdicts each person gave.
    """
    if author == actor:
        name = f"{rollout.model}@{rollout.version}"
        return f"{actor} registered {name}; somebody else must approve it"
    mine, total = verdicts.get(actor, 0), sum(verdicts.values())
    if 2 * mine > total:
        return (
            f"{actor} gave {mine} of the {total} verdicts that this evidence rests on; somebody "
            "who reviewed less of it must approve it"
        )
    return None
