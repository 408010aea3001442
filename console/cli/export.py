"""`stagegate model export`: write a version in another format."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.export_text import export_text
from console.cli.progress import bars
from console.cli.session import session
from console.cli.versions import find_version, refuse_server, units, wiring_of

if TYPE_CHECKING:
    from console.wiring import Wiring
    from registry.domain.export_formats import ExportFormat
    from registry.registration import Progress
    from registry.services.export_version import ExportRequest, ExportTools


def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The newest if no number.")],
    to: Annotated[str, typer.Option("--to", help="The format; a wrong one lists them all.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder that is not there yet.")],
    calibration_data: Annotated[
        Path | None,
        typer.Option(
            help="For onnx-int8 and onnx-pruned: labelled inputs, to calibrate by and to judge by."
        ),
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="For onnx-int8: integers of weights alone.")
    ] = False,
    amount: Annotated[
        float, typer.Option(help="For onnx-pruned: the share of each layer's weights to set to 0.")
    ] = 0.3,
    agreement: Annotated[
        float, typer.Option(help="With calibration data: least share that keeps its class.")
    ] = 0.95,
    accuracy_drop: Annotated[
        float, typer.Option(help="With calibration data: by how much the accuracy may fall.")
    ] = 0.02,
) -> None:
    """Write a version in another format, and measure that it answers as it serves."""
    here = session(context)
    refuse_server(here)
    kind = _format(to)
    from registry.domain.export_formats import ExportSettings
    from registry.services.export_version import ExportRequest, export_version

    with units(here) as unit:
        version = find_version(unit, name)
    settings = ExportSettings(dynamic, amount, agreement, accuracy_drop)
    request = ExportRequest(version, kind, output, settings, calibration_data)
    with bars(quiet=here.json) as progress:
        exported = export_version(request, _tools(wiring_of(here), request, progress))
    document = {**exported.document(), "target": str(output)}

    here.show(document, lambda: export_text(document))


def _tools(wiring: "Wiring", request: "ExportRequest", progress: "Progress") -> "ExportTools":
    from time import perf_counter

    from registry.adapters.bundle import BundleFolders
    from registry.adapters.exports.exporters import exporter
    from registry.adapters.exports.runs import INPUTS, LOADERS
    from registry.adapters.onnx_runtimes import OnnxRuntimes
    from registry.adapters.samples import AnySamples
    from registry.adapters.scratch_folders import folder_beside
    from registry.services.export_version import ExportTools

    return ExportTools(
        exporter=exporter(request.format, request.settings, wiring.settings.home / "environments"),
        loaders=LOADERS,
        inputs=INPUTS,
        finder=wiring.bundles,
        bundles=BundleFolders(),
        samples=AnySamples(),
        runtime=OnnxRuntimes(max_pixels=wiring.settings.max_image_pixels),
        clock=perf_counter,
        progress=progress,
        beside=folder_beside,
    )


def _format(name: str) -> "ExportFormat":
    from registry.domain.export_formats import ExportFormat

    try:
        return ExportFormat(name)
    except ValueError:
        raise typer.BadParameter(f"--to is {', '.join(ExportFormat)}, not {name!r}") from None
