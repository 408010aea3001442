"""`stagegate up`, `demo` and `doctor`: run the service, take the tour, check this place."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from console.cli.session import paint, session


def up(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer. [default: 1]")
    ] = None,
    engine: Annotated[
        Literal["own", "ray"] | None,
        typer.Option(help="Who starts them: this command, or Ray Serve. [default: own]"),
    ] = None,
) -> None:
    """Run the service: HTTP API, pages and controller, in one process or several workers."""
    from console.service import run

    run(session(context).settings(host=host, port=port, workers=workers, engine=engine))


def demo(
    context: typer.Context,
    stop: Annotated[bool, typer.Option("--exit", help="Stop the service at the end.")] = False,
) -> None:
    """Train, register and roll out a model on real photographs, with drift at the end."""
    from console.demo.tour import take

    here = session(context)
    raise typer.Exit(take(here.home or Path(".stagegate/demo"), stop))


def doctor(context: typer.Context) -> None:
    """Check versions, database, MLflow and disk; exit 1 if something is the matter."""
    from console.doctor import examine

    here = session(context)
    findings = examine(here.settings())
    document = {"findings": [finding.document() for finding in findings]}
    here.show(
        document,
        lambda: "\n".join(
            f"[{paint('ok', 'green') if one.ok else paint('wrong', 'red')}] {one.sentence}"
            for one in findings
        ),
    )
    if not all(one.ok for one in findings):
        raise typer.Exit(1)
