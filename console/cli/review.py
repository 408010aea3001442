"""`stagegate review`: the queue of held and sampled answers, for scripts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli import review_actions, review_export, review_quality
from console.cli.groups import Group
from console.cli.review_held import held_items, held_text
from console.cli.review_text import (
    decision_text,
    history_text,
    item_text,
    items_text,
    nothing_text,
    stats_text,
)
from console.cli.session import session

review_app = typer.Typer(
    cls=Group,
    help="Answer what waits for a person; STAGEGATE_ACTOR says who you are.",
    no_args_is_help=True,
)

OfModel = Annotated[str | None, typer.Option(help="Only items of this model.")]
ItemId = Annotated[str, typer.Argument(help="Id of the item, as `next` printed it.")]
Epoch = Annotated[int, typer.Option(help="Epoch of your lease, as `next` printed it.")]


@review_app.command("list")
def list_(
    context: typer.Context,
    model: OfModel = None,
    state: Annotated[
        str,
        typer.Option(
            help="open (nobody has answered yet), ready, leased, snoozed, closing, decided, "
            "cancelled, or all."
        ),
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List items of the queue: those that are open, unless another state is named."""
    here = session(context)
    wanted = None if state == "all" else state
    with here.client() as client:
        found = client.get("/v1/review/items", model=model, state=wanted, limit=limit)
    here.show(found, lambda: items_text(found["items"], wanted, limit))


@review_app.command()
def show(context: typer.Context, item: ItemId) -> None:
    """Print everything that happened to an item."""
    here = session(context)
    with here.client() as client:
        found = client.get(f"/v1/review/items/{item}")
    here.show(found, lambda: history_text(found))


@review_app.command("next")
def next_(
    context: typer.Context,
    model: OfModel = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the input as it was sent to this file.")
    ] = None,
) -> None:
    """Take the next item; it is yours until its lease ends. Exit 3 if none is free."""
    here = session(context)
    with here.client() as client:
        item = client.get("/v1/review/next", model=model)
        if item and save:
            save.write_bytes(client.download(item["payload_url"]))
        held = [] if item else held_items(client, model)
        waiting = 0 if item else client.get("/v1/review/items", model=model, limit=1)["open"]
    here.show(item or {}, lambda: item_text(item) if item else nothing_text(held, waiting))
    if not item:
        raise typer.Exit(3)


@review_app.command()
def decide(
    context: typer.Context,
    item: ItemId,
    epoch: Epoch,
    label: Annotated[
        str | None, typer.Argument(help="The right label; of several, all with ; between.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="None of the labels fits.")] = False,
    comment: Annotated[str, typer.Option(help="Kept with the answer.")] = "",
    undoable: Annotated[
        bool, typer.Option(help="Leave time to undo or correct it before its caller hears it.")
    ] = False,
    revise: Annotated[
        bool, typer.Option(help="It corrects your own answer, which can still be undone.")
    ] = False,
) -> None:
    """Give the right label of an item that you took."""
    if (label is None) != none:
        raise typer.BadParameter("give a LABEL, or --none if no label fits")
    body: dict[str, Any] = {"epoch": epoch, "label": label, "comment": comment}
    review_actions.send(
        context, item, "decision", body | {"final": not undoable, "revise": revise}, decision_text
    )


@review_app.command()
def agree(context: typer.Context, item: ItemId, epoch: Epoch) -> None:
    """Give the model's answer, which you have seen, as your own."""
    review_actions.send(context, item, "agree", {"epoch": epoch, "final": True}, decision_text)


@review_app.command()
def stats(context: typer.Context) -> None:
    """Print how much waits, for how long, and why."""
    here = session(context)
    with here.client() as client:
        found, held = client.get("/v1/review/stats"), held_items(client, None)
    here.show(found, lambda: "\n".join([stats_text(found), *held_text(held)]))


review_actions.add(review_app)
review_quality.add(review_app)
review_app.command()(review_export.export)
