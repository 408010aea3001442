"""Which answers of the baseline are reviewed, so that a gate can compare the candidate with it."""

from registry.domain.evidence import Arm
from registry.domain.plan import Review
from registry.domain.stages import Stage
from serving.domain.routing import Assignment

_COMPARES = "error-ratio"


def compared(assignment: Assignment) -> bool:
    """Whether this is an answer of the baseline to a unit that might as well have been drawn.

    Only such requests are like the candidate's: those without a unit never reach it.
    """
    rollout, lot = assignment.rollout, assignment.lot
    return (
        rollout is not None
        and rollout.stage is Stage.GRADUAL
        and lot is not None
        and lot.arm is Arm.BASELINE
        and assignment.answering == rollout.baseline
        and any(gate.type == _COMPARES for gate in rollout.stage_plan.gates)
    )


def drawn_by_chance(random_number: float, review: Review) -> bool:
    """Whether an answer is reviewed whatever flags there are: the same lot for both versions."""
    return random_number < min(review.sample, review.flagged)
