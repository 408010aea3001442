"""Find the rollout that a command is about, at the generation that its sender saw."""

from registry.domain.errors import Conflict, NotFound
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork


def latest(unit: UnitOfWork, model: str) -> Rollout:
    """The active rollout of a model, else the last one; NotFound if it never had one."""
    found = unit.rollouts.latest(model)
    if found is None:
        if not unit.versions.list(model):
            models = ", ".join(sorted({v.model for v in unit.versions.list()})) or "none yet"
            raise NotFound(f"there is no model {model!r}; registered: {models}")
        raise NotFound(f"{model} has no rollout; begin one with `stagegate rollout start PLAN`")
    return found


def check_generation(rollout: Rollout, expected: int | None) -> None:
    """Conflict if the rollout is not at the generation that the sender saw."""
    if expected is not None and rollout.generation != expected:
        raise Conflict(
            f"the rollout of {rollout.model}@{rollout.version} is at generation "
            f"{rollout.generation}, not {expected}: somebody else changed it first; look at it "
            "again and retry"
        )
