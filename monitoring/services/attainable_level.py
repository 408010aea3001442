"""How fine an out-of-domain level a version can keep; asked before a rollout relies on it."""

from monitoring.domain.reference import Reference
from registry.domain.errors import Invalid


def attainable_level(reference: Reference) -> float | None:
    """The smallest p-value that the version can give; None if it cannot score inputs."""
    return reference.scorer.minimum_level if reference.scorer else None


def require_level(reference: Reference, level: float) -> None:
    """Invalid, with what to do, if the version cannot flag inputs at this level.

    A plan that asks for a level which no p-value reaches would start, and never flag anything.
    """
    if reference.scorer is None:
        raise Invalid(
            f"out_of_domain: {level:g} cannot be kept, since this version was registered without "
            "calibration data and has no out-of-domain scores; register it with calibration "
            "images, or leave out_of_domain out of the plan"
        )
    reference.scorer.require_level(level)
