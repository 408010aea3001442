"""How fine an out-of-domain level a version can keep; asked before a rollout relies on it."""

from collections.abc import Mapping

from monitoring.domain import scorer_file
from monitoring.domain.out_of_domain import rows_needed
from monitoring.domain.profile import from_json
from monitoring.domain.reference import PROFILE_FILE, SCORER_FILE, Reference
from registry.domain.errors import Invalid

_USUAL_LEVEL = 0.01  # what people write in a plan


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


def told_level(files: Mapping[str, bytes]) -> str:
    """How the calibration inputs of a fitted reference were split, and what level they allow."""
    if SCORER_FILE not in files:
        return "out_of_domain: no calibration data, so no input is told to be unlike them"
    scorer = scorer_file.from_bytes(files[SCORER_FILE])
    total, held_out = from_json(files[PROFILE_FILE]).held_out_rows, len(scorer.held_out)
    finest = scorer.minimum_level
    said = (
        f"out_of_domain: of {total} calibration inputs {total - held_out} shaped the scores and "
        f"{held_out} calibrate them, so a plan may flag at {finest:.2g} or more"
    )
    if finest <= _USUAL_LEVEL:
        return said
    return f"{said}; for {_USUAL_LEVEL:g} register with at least {rows_needed(_USUAL_LEVEL)}"
