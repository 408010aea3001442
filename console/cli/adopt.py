"""`stagegate model adopt`: make a version of what somebody registered with plain MLflow."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.model import carry_out, declared_by
from console.cli.session import session
from console.cli.versions import named, refuse_server, wiring_of
from registry.domain.errors import Invalid

if TYPE_CHECKING:
    from registry.adapters.mlflow_adopt import Adopted

ADOPTED_TAG = "stagegate.adopted"


def adopt(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="As MLflow has it; the newest if bare.")
    ],
    training_data: Annotated[Path | None, typer.Option(help="As for `model register`.")] = None,
    calibration_data: Annotated[Path | None, typer.Option(help="As for `model register`.")] = None,
    preprocessing: Annotated[Path | None, typer.Option(help="How images are prepared.")] = None,
    labels: Annotated[Path | None, typer.Option(help="The labels, one in each line.")] = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="I know who made this pickle.")
    ] = False,
    allow_unjailed: Annotated[
        bool,
        typer.Option("--allow-unjailed", help="Load the original even where no jail can be had."),
    ] = False,
) -> None:
    """Register anew what plain MLflow registered, or say what is missing to serve it."""
    from registry.adapters.mlflow_adopt import adopted
    from registry.services.registration_request import Registration

    here = session(context)
    refuse_server(here)
    model, number = named(name)
    declared = declared_by(preprocessing, labels, None, None)
    with tempfile.TemporaryDirectory() as folder:
        found = adopted(wiring_of(here).mlflow, model, number, Path(folder))
        missing = _missing(
            found, described=declared is not None, trusted=trust_pickle, trained=training_data
        )
        if missing or training_data is None:
            raise Invalid(
                f"{found.source} is a model of the flavor {found.flavor}. To serve it, stagegate "
                f"also needs {'; '.join(missing)}"
            )
        request = Registration(
            model=model,
            path=found.path,
            actor=here.actor(),
            training_data=training_data,
            calibration_data=calibration_data,
            kind=found.kind,
            declared=declared,
            trust_pickle=trust_pickle,
            description=found.description,
            tags={ADOPTED_TAG: found.source},
        )
        carry_out(here, request, allow_unjailed=allow_unjailed)


def _missing(
    found: "Adopted", *, described: bool, trusted: bool, trained: Path | None
) -> list[str]:
    """All that is missing, not only the first."""
    from registry.domain.formats import needs

    needed = needs(found.kind, found.path.suffix)
    wanted = (
        (needed.described and not described, "--preprocessing FILE: how its images are prepared"),
        (needed.described and not described, "--labels FILE: the labels in their order"),
        (needed.trust and not trusted, "--trust-pickle: that you know who made this pickle"),
        (trained is None, "--training-data FOLDER: what it was trained on, as proof and reference"),
    )
    return [what for is_missing, what in wanted if is_missing]
