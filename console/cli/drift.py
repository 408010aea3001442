"""`stagegate drift`: what moved in a model's inputs."""

from typing import Annotated

import typer

from console.cli.session import JsonDocument, paint, session, table


def drift(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    window: Annotated[
        str | None,
        typer.Option(help="How far back to look: 30m, 1h, 7d; the last rows if not given."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(help="The candidate, else the live one, if not given.")
    ] = None,
) -> None:
    """Say which statistics of a model's inputs moved, how far, and how sure that is."""
    here = session(context)
    with here.client() as client:
        found = client.get(f"/v1/drift/{model}", window=window, version=version)
    here.show(found, lambda: _text(found))


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
    return "\n".join(filter(None, [paint(head, "red" if found["alarm"] else "green"), listed]))
