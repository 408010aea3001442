"""`stagegate webhook`: who is told of what happens."""

from typing import Annotated

import typer

from console.cli.groups import Group
from console.cli.session import JsonDocument, session, table

webhook_app = typer.Typer(
    cls=Group, help="Tell other programs what happens (Standard Webhooks).", no_args_is_help=True
)

Webhook = Annotated[str, typer.Argument(help="Id of the webhook, as `list` prints it.")]


@webhook_app.command("list")
def list_(context: typer.Context) -> None:
    """List who is told, and what has not arrived."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/webhooks")
    here.show(found, lambda: _webhooks(found["webhooks"]))


@webhook_app.command()
def add(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where to post messages: https://HOST/PATH.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Only these events: live, rolled-back, rollout.*; repeat it for more."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Only these models; repeat it for more.")
    ] = None,
    form: Annotated[
        str, typer.Option(help="standard, or slack for a chat's incoming webhook.")
    ] = "standard",
) -> None:
    """Tell an address; prints the secret that signs the messages, once."""
    here = session(context)
    with here.client() as client:
        body = {"url": url, "form": form, "events": event or [], "models": model or []}
        found = client.post("/v1/webhooks", body)
    here.show(found, lambda: _secret(found))


@webhook_app.command()
def rotate(context: typer.Context, webhook: Webhook) -> None:
    """Sign with a new secret; for a day the old one signs beside it."""
    here = session(context)
    with here.client() as client:
        found = client.post(f"/v1/webhooks/{webhook}:rotate")
    here.show(found, lambda: _secret(found))


@webhook_app.command()
def remove(context: typer.Context, webhook: Webhook) -> None:
    """Tell this address nothing more."""
    here = session(context)
    with here.client() as client:
        found = client.delete(f"/v1/webhooks/{webhook}")
    here.show(found, lambda: f"{found['to']} is told nothing more.")


@webhook_app.command()
def replay(
    context: typer.Context,
    webhook: Webhook,
    since: Annotated[
        str | None, typer.Option(help="All since this moment: 2026-11-23T08:00:00Z.")
    ] = None,
    message: Annotated[str | None, typer.Option(help="One message, by its webhook-id.")] = None,
) -> None:
    """Send again what has not arrived, in order; a disabled webhook is enabled."""
    here = session(context)
    with here.client() as client:
        body = {"since": since, "message": message}
        found = client.post(f"/v1/webhooks/{webhook}:replay", body)
    count = found["messages"]
    here.show(found, lambda: f"{count} message{'s' if count != 1 else ''} will be sent again.")


def _webhooks(found: list[JsonDocument]) -> str:
    if not found:
        return "No webhook is set up; `stagegate webhook add URL` adds one."
    rows: list[tuple[object, ...]] = [
        (
            one["id"], one["to"], one["form"], ", ".join(one["events"]) or "all",
            ", ".join(one["models"]) or "all", one["waiting"],
            f"disabled: {one['disabled_reason']}" if one["disabled_at"] else "on",
        )
        for one in found
    ]  # fmt: skip
    return table(("webhook", "to", "form", "events", "models", "waiting", "state"), rows)


def _secret(found: JsonDocument) -> str:
    return "\n".join(
        [
            f"{found['to']} is told as webhook {found['id']}.",
            f"Its secret, shown only now: {found['secret']}",
        ]
    )
