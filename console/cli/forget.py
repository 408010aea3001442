"""`stagegate forget`: delete the stored inputs of one subject."""

from typing import Annotated
from urllib.parse import quote

import typer

from console.cli.session import session
from registry.domain.errors import Invalid


def forget(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    subject: Annotated[str, typer.Argument(help="Whose requests: ATTRIBUTE=VALUE.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the inputs that were stored of a subject's requests."""
    attribute, equals, value = subject.partition("=")
    if not (attribute and equals and value):
        raise Invalid(f"{subject!r} names no subject; write for example user_id=7")
    if not (yes or dry_run):
        question = f"Delete the inputs of {model} with {subject}? They cannot be brought back"
        typer.confirm(question, abort=True, err=True)
    here = session(context)
    with here.client() as client:
        body = {"attribute": attribute, "value": value, "dry_run": dry_run}
        found = client.post(f"/v1/models/{quote(model, safe='')}/inputs:forget", body)
    here.show(found, lambda: str(found["sentence"]))
