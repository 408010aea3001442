"""`stagegate model`: register versions, look at them, verify and export them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli import versions
from console.cli.export import export
from console.cli.groups import Group
from console.cli.model_text import registered_text, version_document
from console.cli.progress import bars
from console.cli.session import Session, session
from console.cli.versions import refuse_server, wiring_of
from registry.domain.errors import Invalid

if TYPE_CHECKING:
    from console.wiring import Wiring
    from registry.domain.formats import Format
    from registry.ports import UnitOfWork
    from registry.registration import Declared, Progress
    from registry.services.make_bundle import Tools
    from registry.services.registration_request import Registration

model_app = typer.Typer(
    cls=Group, help="Register, list, show, verify and export versions.", no_args_is_help=True
)


@model_app.command()
def register(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    path: Annotated[Path, typer.Argument(help="The exported file.")],
    training_data: Annotated[
        Path,
        typer.Option(help="Images in folders named after the labels, or rows in CSV or Parquet."),
    ],
    calibration_data: Annotated[
        Path | None,
        typer.Option(help="Such data that was not trained on: makes the out-of-domain scorer."),
    ] = None,
    file_format: Annotated[
        str,
        typer.Option("--format", help="auto, fastai, state-dict, torchscript, exported or onnx."),
    ] = "auto",
    preprocessing: Annotated[
        Path | None,
        typer.Option(help="How images are prepared (YAML), where the file does not say."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="The labels, one in each line, where the file does not say."),
    ] = None,
    factory: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION that makes the module of a state_dict.")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="The folder that the factory is in; it is stored too.")
    ] = None,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="I know who made this pickle (.pkl, .pt, .pth).")
    ] = False,
    run_code: Annotated[
        bool,
        typer.Option(
            "--run-code", help="Let a fastai export make its layers by its own code, locked in."
        ),
    ] = False,
    allow_unjailed: Annotated[
        bool,
        typer.Option("--allow-unjailed", help="Load the original even where no jail can be had."),
    ] = False,
    description: Annotated[str, typer.Option(help="What is special about this version.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, as often as you like.")] = None,
) -> None:
    """Convert a file, prove that it answers like its original, and store it as a new version."""
    here = session(context)
    refuse_server(here)
    from registry.services.registration_request import Registration

    kind = _format(file_format, path)
    request = Registration(
        model=name,
        path=path,
        actor=here.actor(),
        training_data=training_data,
        calibration_data=calibration_data,
        kind=kind,
        declared=declared_by(preprocessing, labels, factory, code),
        trust_pickle=trust_pickle,
        run_code=run_code,
        description=description,
        tags=_tags(tag or []),
    )
    carry_out(here, request, allow_unjailed=allow_unjailed)


def carry_out(here: Session, request: "Registration", *, allow_unjailed: bool) -> None:
    """Register, with bars for the long steps, and print what came of it."""
    from console.migrate import check
    from console.wiring import now
    from monitoring.services.attainable_level import told_level
    from registry.adapters.database.unit_of_work import SqlUnitOfWork
    from registry.services.register import register as run
    from registry.services.registration_request import check_request

    check_request(request)  # before anything slow is imported or opened
    wiring = wiring_of(here)
    check(wiring.settings.database)

    @contextmanager
    def transaction() -> "Iterator[UnitOfWork]":
        with wiring.database.begin() as connection:
            yield SqlUnitOfWork(connection)

    with bars(quiet=here.json) as progress:
        tools = _tools(wiring, progress, request, allow_unjailed=allow_unjailed)
        registered = run(request, tools, transaction, now())
    document = version_document(registered.version, "registered")
    document |= {"jail": registered.jail, "globals": dict(registered.globals)}
    document["out_of_domain"] = told_level(registered.reference)
    here.show(document, lambda: registered_text(document))


def _tools(
    wiring: "Wiring", progress: "Progress", request: "Registration", *, allow_unjailed: bool
) -> "Tools":
    from monitoring.services.fit_reference import MonitoringReferenceFitter
    from registry.adapters.alternatives import OnnxAlternatives
    from registry.adapters.bundle import BundleFolders
    from registry.adapters.identity import identity
    from registry.adapters.installed import installed_environment
    from registry.adapters.onnx_runtimes import OnnxRuntimes
    from registry.adapters.proof_pictures import proof_inputs
    from registry.adapters.readers import reader
    from registry.adapters.samples import AnySamples
    from registry.adapters.scratch_folders import scratch_folder
    from registry.services.make_bundle import Tools

    workshop = wiring.settings.home / "workshop"
    intake, converter, original = reader(
        request.kind,
        request.declared,
        workshop,
        allow_unjailed=allow_unjailed,
        run_code=request.run_code,
    )
    return Tools(
        intake=intake,
        converter=converter,
        original=original,
        samples=AnySamples(),
        runtime=OnnxRuntimes(max_pixels=wiring.settings.max_image_pixels),
        alternatives=OnnxAlternatives(),
        fitter=MonitoringReferenceFitter(),
        bundles=BundleFolders(),
        store=wiring.mlflow,
        environment=installed_environment(),
        pictures=proof_inputs,
        workshop=lambda: scratch_folder(workshop, "registering-"),
        home=identity(workshop),
        progress=progress,
    )


def _format(name: str, path: Path) -> "Format":
    from registry.adapters.recognise import recognise
    from registry.domain.formats import Format

    if name != "auto":
        try:
            return Format(name)
        except ValueError:
            known = ", ".join(Format)
            raise typer.BadParameter(f"--format is auto, {known}, not {name!r}") from None
    if not path.is_file():
        raise Invalid(f"there is no file {path}")
    return recognise(path)


def declared_by(
    preprocessing: Path | None, labels: Path | None, factory: str | None, code: Path | None
) -> "Declared | None":
    """What a person says of a file that does not say it itself."""
    from registry.documents.model_input import read_labels, read_model_input
    from registry.registration import Declared

    if preprocessing is None or labels is None:
        if preprocessing or labels or factory or code:
            raise typer.BadParameter(
                "--preprocessing and --labels belong together, --factory and --code beside them"
            )
        return None
    return Declared(read_model_input(preprocessing), read_labels(labels), factory, code)


def _tags(texts: list[str]) -> dict[str, str]:
    tags = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"a tag is written KEY=VALUE, not {text!r}")
        tags[key] = value
    return tags


model_app.command("list")(versions.list_versions)
model_app.command("show")(versions.show)
model_app.command("diff")(versions.diff)
model_app.command("verify")(versions.verify)
model_app.command("export")(export)
model_app.command("delete")(versions.delete)
model_app.command("schema")(versions.schema)
