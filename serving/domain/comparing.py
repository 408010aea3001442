"""Which answers of the baseline are reviewed, so that a gate can compare the candidate with it."""

from collections.abc import Mapping

from registry.domain.plan import Review
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from serving.domain.routing import Assignment, unit_hash, unit_of

_COMPARES = "error-ratio"


def compared(assignment: Assignment, attributes: Mapping[str, object]) -> bool:
    """Whether this is an answer of the baseline to a unit that might as well have been drawn.

    Only such requests are like the candidate's: those without a unit never reach it.
    """
    rollout = assignment.rollout
    return (
        rollout is not None
        and rollout.stage is Stage.GRADUAL
        and assignment.candidate is None
        and assignment.answering == rollout.baseline
        and unit_number(rollout, attributes) is not None
        and any(gate.type == _COMPARES for gate in rollout.stage_plan.gates)
    )


def drawn_by_chance(random_number: float, review: Review) -> bool:
    """Whether an answer is reviewed whatever flags there are: the same lot for both versions."""
    return random_number < min(review.sample, review.flagged)


def unit_number(rollout: Rollout, attributes: Mapping[str, object]) -> int | None:
    """Who asks, as 64 bits with a sign; None if the request does not say."""
    unit = unit_of(rollout, attributes)
    return None if unit is None else unit_hash(rollout.salt, unit)
