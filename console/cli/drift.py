"""`stagegate drift`: what moved in a model's inputs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.groups import Group
from console.cli.session import JsonDocument, paint, session, table

_REPORT_SECONDS = 180.0


class _ModelFirst(Group):
    """`drift MODEL` is short for `drift show MODEL`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual command in front of what is not a command."""
        if args and args[0] not in (*self.commands, "--help"):
            args = ["show", *args]
        return list(super().parse_args(ctx, args))


drift_app = typer.Typer(
    cls=_ModelFirst,
    help="Say which statistics of a model's inputs moved; `drift MODEL` is short for `show`.",
    no_args_is_help=True,
)

_Model = Annotated[str, typer.Argument(help="Name of the model.")]
_Window = Annotated[
    str | None, typer.Option(help="How far back to look: 30m, 1h, 7d; the last rows if not given.")
]
_Version = Annotated[
    int | None, typer.Option(help="The candidate, else the live one, if not given.")
]


@drift_app.command()
def show(
    context: typer.Context, model: _Model, window: _Window = None, version: _Version = None
) -> None:
    """Say which statistics of a model's inputs moved, how far, and how sure that is."""
    here = session(context)
    with here.client() as client:
        found = client.get(f"/v1/drift/{model}", window=window, version=version)
    here.show(found, lambda: _text(found))


@drift_app.command()
def report(
    context: typer.Context,
    model: _Model,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file to write.")],
    window: _Window = None,
    version: _Version = None,
) -> None:
    """Write Evidently's report of live inputs against the reference: one page, no network."""
    here = session(context)
    given = {"window": window, "version": version}
    params = {name: value for name, value in given.items() if value is not None}
    with here.client() as client:
        path = f"/v1/drift/{model}/report"
        page = client.request("GET", path, params=params, timeout=_REPORT_SECONDS).content
    output.write_bytes(page)
    here.show({"file": str(output), "bytes": len(page)}, lambda: f"{output} written")


def _text(found: JsonDocument) -> str:
    head = f"{found['model']}@{found['version']}: {found['sentence']}"
    rows: list[tuple[object, ...]] = [
        (
            test["feature"], test["test"], test["p_adjusted"], test["effect"],
            "moved" if test["alarm"] else "",
        )
        for test in sorted(found["tests"], key=lambda test: test["p_adjusted"])
    ]  # fmt: skip
    listed = table(("feature", "test", "p", "effect", ""), rows) if rows else ""
    painted = paint(head, "red" if found["alarm"] else "green")
    return "\n".join(filter(None, [painted, listed, *found.get("notes", ())]))
