"""`stagegate model list|show|diff|verify|delete|schema`: the versions that are registered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.model_text import (
    compatibility_document,
    difference_document,
    difference_text,
    verified_document,
    verified_text,
    version_document,
    version_text,
    versions_text,
)
from console.cli.session import Session, session
from registry.documents.model_json_schema import Shape, model_schema_text

if TYPE_CHECKING:
    from console.wiring import Wiring
    from registry.domain.versions import ModelVersion
    from registry.ports import UnitOfWork


def list_versions(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
) -> None:
    """List the versions with their stages and the versions of Python, torch and fastai."""
    here = session(context)
    with units(here) as unit:
        rows = [(version, _stage(unit, version)) for version in unit.versions.list(name)]
    documents = [version_document(version, stage) for version, stage in rows]
    here.show({"versions": documents}, lambda: versions_text(documents))


def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="The newest if no number.")],
    html: Annotated[
        Path | None, typer.Option(help="Write its card, with its training data, to this file.")
    ] = None,
) -> None:
    """Show the whole record of a version, and whether it can be served here."""
    from registry.adapters.installed import installed_environment
    from registry.domain.environment import compatibility

    here = session(context)
    with units(here) as unit:
        version = find_version(unit, name)
        document = version_document(version, _stage(unit, version))
    environment, installed = version.environment, installed_environment()
    fits = compatibility(environment, installed, version.source_format)
    document["compatibility"] = compatibility_document(fits)
    if html is not None:
        _write_card(here, version, html)
    here.show(document, lambda: version_text(document))


def diff(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    first: Annotated[int, typer.Argument(help="Number of a version.", min=1)],
    second: Annotated[int, typer.Argument(help="Number of another.", min=1)],
    everything: Annotated[
        bool, typer.Option("--all", help="Digests and sizes of files, too.")
    ] = False,
) -> None:
    """Show what changed from one version to another: graph, preprocessing, labels, environment."""
    from registry.adapters.bundle import BundleFolders
    from registry.services.compare import compare

    here = session(context)
    with units(here) as unit:
        one, other = unit.versions.get(name, first), unit.versions.get(name, second)
    found = compare(one, other, wiring_of(here).bundles, BundleFolders())
    document = difference_document(name, first, second, found)
    here.show(document, lambda: difference_text(document, everything))


def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The newest if no number.")],
) -> None:
    """Check digests, answers and environment of a version against what is installed here."""
    from registry.adapters.bundle import BundleFolders
    from registry.adapters.installed import installed_environment
    from registry.adapters.onnx_runtimes import OnnxRuntimes
    from registry.services.verify import verify as run

    here = session(context)
    with units(here) as unit:
        version = find_version(unit, name)
    wiring = wiring_of(here)
    found = run(version, wiring.bundles, BundleFolders(), OnnxRuntimes(), installed_environment())
    document = verified_document(found)
    here.show(document, lambda: verified_text(document))


def delete(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="With its number.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit log.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a version that nothing needs; the record of what it did stays."""
    from console.wiring import now
    from registry.adapters.database.unit_of_work import SqlUnitOfWork
    from registry.services.delete_version import delete_version

    here = session(context)
    model, number = named(name)
    if number is None:
        raise typer.BadParameter(f"say which version: {name}@NUMBER")
    if not yes:
        typer.confirm(f"Delete {name}? It cannot be brought back", abort=True, err=True)
    refuse_server(here)
    actor = here.actor()
    with wiring_of(here).database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        version = delete_version(unit, model, number, actor, reason, now())
    said = {"model": model, "version": number, "deleted": True, "digest": version.digest}
    here.show(said, lambda: f"{name} is deleted; its rollouts stay in the audit log.")


def _write_card(here: Session, version: "ModelVersion", file: Path) -> None:
    from urllib.parse import quote

    path = f"/models/{quote(version.model, safe='')}/versions/{version.version}"
    with here.client() as client:
        file.write_bytes(client.download(f"{path}?alone=true"))


def wiring_of(here: Session) -> "Wiring":
    """The parts of this home."""
    from console.wiring import Wiring

    return Wiring(here.settings())


@contextmanager
def units(here: Session) -> "Iterator[UnitOfWork]":
    """One reading view of this home's database."""
    refuse_server(here)
    from console.migrate import check
    from registry.adapters.database.unit_of_work import SqlUnitOfWork

    wiring = wiring_of(here)
    check(wiring.settings.database)
    with wiring.database.read() as connection:
        yield SqlUnitOfWork(connection)


def refuse_server(here: Session) -> None:
    """These commands open files of this machine."""
    if here.server:
        raise typer.BadParameter(
            "`stagegate model` works on the home of this machine; leave --server out, and set"
            " STAGEGATE_DATABASE_URL and STAGEGATE_MLFLOW_TRACKING_URI to act on a shared one"
        )


def find_version(unit: "UnitOfWork", name: str) -> "ModelVersion":
    """The version of NAME@NUMBER; the newest of NAME."""
    model, number = named(name)
    if number is not None:
        return unit.versions.get(model, number)
    versions = unit.versions.list(model)
    return versions[-1] if versions else unit.versions.get(model, 1)


def named(name: str) -> tuple[str, int | None]:
    """The model and the number in NAME or NAME@NUMBER."""
    model, at, number = name.partition("@")
    if at and not number.isdecimal():
        raise typer.BadParameter(f"a version is written NAME@NUMBER, not {name!r}")
    return model, int(number) if at else None


def _stage(unit: "UnitOfWork", version: "ModelVersion") -> str:
    """Where a version stands: what answers, else its last rollout, else registered."""
    if unit.live.get(version.model)[0] == version.version:
        return "live"
    rollout: Any = unit.rollouts.of_version(version.model, version.version)
    return str(rollout.stage) if rollout is not None else "registered"


def schema(
    document: Annotated[
        Shape, typer.Argument(help="The file of --preprocessing, or a bundle's preprocessing.json.")
    ] = Shape.INPUT,
) -> None:
    """Print the JSON Schema of a document, with which editors complete and check it."""
    typer.echo(model_schema_text(document), nl=False)
