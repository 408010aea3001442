"""`stagegate audit`: whether the audit log is whole."""

import typer

from console.cli.session import session

audit_app = typer.Typer(help="The append-only log of decisions.", no_args_is_help=True)


@audit_app.callback()
def _group() -> None:
    """The append-only log of decisions."""


@audit_app.command()
def verify(context: typer.Context) -> None:
    """Recompute the chain of hashes; exit 1 if a row was edited, removed or moved."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/audit:verify")
    here.show(found, lambda: str(found["sentence"]))
    if not found["intact"]:
        raise typer.Exit(1)
