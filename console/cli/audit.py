"""`stagegate audit`: take the audit log away, and see whether it is whole."""

import json
from pathlib import Path
from typing import Annotated

import typer

from console.cli.groups import Group
from console.cli.kept_head import kept_head
from console.cli.session import JsonDocument, session

audit_app = typer.Typer(cls=Group, help="The append-only log of decisions.", no_args_is_help=True)


@audit_app.callback()
def _group() -> None:
    """The append-only log of decisions."""


@audit_app.command()
def verify(
    context: typer.Context,
    expect_head: Annotated[
        str | None,
        typer.Option(
            callback=kept_head, help="A hash of the log that you kept; it must still be in it."
        ),
    ] = None,
) -> None:
    """Recompute the chain of hashes; exit 1 if a row was edited, removed or moved.

    So it does if the log does not contain the hash that you kept.
    """
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/audit:verify", expect_head=expect_head)
    here.show(found, lambda: str(found["sentence"]))
    if not found["intact"]:
        raise typer.Exit(1)


@audit_app.command()
def export(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    model: Annotated[str | None, typer.Option(help="Only the events of this model.")] = None,
) -> None:
    """Write the log as JSON Lines, an event a line; prints the hash to keep apart."""
    here = session(context)
    with here.client() as client:
        params = {"format": "jsonl", **({"model": model} if model else {})}
        content = client.request("GET", "/v1/audit", params=params).content
    output.write_bytes(content)
    lines = content.splitlines()
    last = json.loads(lines[-1]) if lines else {"sequence": 0, "hash": None}
    head = {name: last[name] for name in ("sequence", "hash")}
    said = {"file": str(output), "events": len(lines), "head": head}
    here.show(said, lambda: _exported(said))


def _exported(said: JsonDocument) -> str:
    hash_ = said["head"]["hash"]
    if hash_ is None:
        return f"{said['file']}: the audit log is empty."
    return (
        f"{said['file']}: {said['events']} events, the last with the hash {hash_}.\n"
        f"Keep it apart; `stagegate audit verify --expect-head {hash_}` finds a log that was cut "
        "or rewritten."
    )
