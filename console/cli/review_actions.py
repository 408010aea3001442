"""`stagegate review …`: what can be done with an item besides answering it."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from console.cli.review_text import decision_text, item_text
from console.cli.rollout import seconds
from console.cli.session import JsonDocument, session

Item = Annotated[str, typer.Argument(help="Id of the item.")]
Epoch = Annotated[int, typer.Option(help="Epoch of your lease, as `next` printed it.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the item.")]


def add(commands: typer.Typer) -> None:
    """Add these commands to `stagegate review`."""
    for command in (skip, escalate, snooze, comment, undo, renew, release, adjudicate):
        commands.command()(command)


def skip(context: typer.Context, item: Item, epoch: Epoch, reason: Reason) -> None:
    """Pass an item on to others."""
    send(context, item, "skip", {"epoch": epoch, "reason": reason}, _done)


def escalate(context: typer.Context, item: Item, epoch: Epoch, reason: Reason) -> None:
    """Pass an item on to a lead, whose answer settles it."""
    send(context, item, "escalate", {"epoch": epoch, "reason": reason}, _done)


def snooze(
    context: typer.Context,
    item: Item,
    epoch: Epoch,
    duration: Annotated[str, typer.Option("--for", help="How long, such as 90s, 30m or 2h.")],
) -> None:
    """Put an item aside for everybody."""
    until = datetime.now(UTC) + timedelta(seconds=seconds(duration))
    send(context, item, "snooze", {"epoch": epoch, "until": until.isoformat()}, _done)


def comment(context: typer.Context, item: Item, text: str) -> None:
    """Say something about an item."""
    send(context, item, "comment", {"text": text}, _done)


def undo(context: typer.Context, item: Item, epoch: Epoch) -> None:
    """Take your answer back while its caller has not heard it."""
    send(context, item, "undo", {"epoch": epoch}, item_text)


def renew(context: typer.Context, item: Item, epoch: Epoch) -> None:
    """Keep an item for another ten minutes."""
    send(context, item, "renew", {"epoch": epoch}, lambda found: f"yours: {found['lease_until']}")


def release(context: typer.Context, item: Item) -> None:
    """Give an item back that you have; leads free anybody's."""
    here = session(context)
    with here.client() as client:
        epoch = client.get(f"/v1/review/items/{item}")["epoch"]
        found = client.post(f"/v1/review/{item}/release", {"epoch": epoch})
    here.show(found, lambda: f"{item}: {found['state']}")


def adjudicate(
    context: typer.Context,
    item: Item,
    label: Annotated[
        str | None, typer.Argument(help="The right label; of several, all with ; between.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="None of the labels fits.")] = False,
    comment: Annotated[str, typer.Option(help="Kept with the answer.")] = "",
) -> None:
    """Settle an item on which reviewers disagree; leads only."""
    if (label is None) != none:
        raise typer.BadParameter("give a LABEL, or --none if no label fits")
    body = {"label": label, "comment": comment, "final": True, "idempotency_key": str(uuid.uuid4())}
    send(context, item, "adjudicate", body, decision_text)


def send(
    context: typer.Context,
    item: str,
    action: str,
    body: Mapping[str, Any],
    text: Callable[[JsonDocument], str],
) -> None:
    """Do something with an item and show what became of it."""
    here = session(context)
    with here.client() as client:
        found = client.post(f"/v1/review/{item}/{action}", dict(body))
    here.show(found, lambda: text(found))


def _done(found: JsonDocument) -> str:
    return f"{found['id']}: {found['status']}"
