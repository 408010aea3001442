"""`stagegate review`: the queue of held and sampled answers, for scripts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.session import JsonDocument, session, table

review_app = typer.Typer(
    help="Answer what waits for a person; STAGEGATE_ACTOR says who you are.", no_args_is_help=True
)

OfModel = Annotated[str | None, typer.Option(help="Only items of this model.")]


@review_app.command("list")
def list_(
    context: typer.Context,
    model: OfModel = None,
    state: Annotated[
        str | None, typer.Option(help="ready, leased, decided or cancelled; all if not given.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List items of the queue."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/review/items", model=model, state=state, limit=limit)
    here.show(found, lambda: _items(found["items"]))


@review_app.command("next")
def next_(
    context: typer.Context,
    model: OfModel = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the input as it was sent to this file.")
    ] = None,
) -> None:
    """Take the next item; it is yours until its lease ends. Exit 3 if none waits."""
    here = session(context)
    with here.client() as client:
        item = client.get("/v1/review/next", model=model)
        if item and save:
            save.write_bytes(client.download(item["payload_url"]))
    here.show(item or {}, lambda: _item(item) if item else "Nothing waits for a person.")
    if not item:
        raise typer.Exit(3)


@review_app.command()
def decide(
    context: typer.Context,
    item: Annotated[str, typer.Argument(help="Id of the item, as `next` printed it.")],
    epoch: Annotated[int, typer.Option(help="Epoch of your lease, as `next` printed it.")],
    label: Annotated[str | None, typer.Argument(help="The right label.")] = None,
    none: Annotated[bool, typer.Option("--none", help="None of the labels fits.")] = False,
    comment: Annotated[str, typer.Option(help="Kept with the answer.")] = "",
) -> None:
    """Give the right label of an item that you took."""
    if (label is None) != none:
        raise typer.BadParameter("give a LABEL, or --none if no label fits")
    here = session(context)
    with here.client() as client:
        body = {"epoch": epoch, "label": label, "comment": comment}
        found = client.post(f"/v1/review/{item}/decision", body)
    here.show(found, lambda: _decision(found))


@review_app.command()
def stats(context: typer.Context) -> None:
    """Print how much waits, for how long, and why."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/review/stats")
    here.show(found, lambda: _stats(found))


def _items(items: list[dict[str, Any]]) -> str:
    rows: list[tuple[object, ...]] = [
        (
            item["id"], f"{item['model']}@{item['version']}", item.get("state"),
            ", ".join(reason["code"] for reason in item.get("reasons") or []),
        )
        for item in items
    ]  # fmt: skip
    return table(("item", "version", "state", "why"), rows)


def _item(item: JsonDocument) -> str:
    lines = [f"{item['id']}  {item['model']}@{item['version']} in {item['stage']}"]
    lines += [f"  - {reason['reason']}" for reason in item["reasons"]]
    lines += [f"  labels: {', '.join(item['labels'])}", f"  input: {item['payload_url']}"]
    if item["model_answer"]:
        lines.append(f"  the model says: {item['model_answer']['prediction']}")
    answer = f"stagegate review decide {item['id']} LABEL --epoch {item['epoch']}"
    return "\n".join([*lines, f"  yours until {item['lease_until']}; answer: {answer}"])


def _decision(found: JsonDocument) -> str:
    model = (found.get("model_answer") or {}).get("prediction")
    relation = {True: f"; agrees with {model}", False: f"; disagrees with {model}", None: ""}
    late = "" if found["counted"] else " It came too late to count and is kept as an opinion."
    return f"{found['id']}: {found['label'] or 'none of these'}{relation[found['agrees']]}.{late}"


def _stats(found: JsonDocument) -> str:
    rows: list[tuple[object, ...]] = [
        (key.replace("_", " "), value)
        for key, value in found.items()
        if not isinstance(value, dict)
    ]
    rows += [(f"because of {code}", number) for code, number in found["by_reason"].items()]
    return table(("what", "number"), rows)
