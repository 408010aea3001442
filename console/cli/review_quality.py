"""`stagegate review quality` and `people`: how good a model's answers are, and its reviewers."""

from typing import Annotated, Any

import typer

from console.cli.session import JsonDocument, session, table

Days = Annotated[float, typer.Option(min=0.001, max=3650, help="How far back to look.")]


def add(commands: typer.Typer) -> None:
    """Add these commands to `stagegate review`."""
    commands.command()(quality)
    commands.command()(people)


def quality(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    days: Days = 30.0,
) -> None:
    """Print how often a model is right, corrected for how answers came to review."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/review/quality", model=model, days=days)
    here.show(found, lambda: quality_text(found))


def people(context: typer.Context, days: Days = 30.0) -> None:
    """Print how reviewers do: everybody for a lead, yourself for others."""
    here = session(context)
    with here.client() as client:
        found = client.get("/v1/review/people", days=days)
    here.show(found, lambda: people_text(found))


def quality_text(found: JsonDocument) -> str:
    """A table of the versions and queues, and what to make of each version."""
    rows = [_row(each) for each in (*found["versions"], *found["queues"])]
    if not rows:
        return f"No answer of {found['model']} has been drawn for review in this time."
    headers = (
        "of", "judged", "waiting", "lost", "all answers", "corrected", "among reviewed", "bounds",
        "kappa", "alpha",
    )  # fmt: skip
    said = [f"{_name(each)}: {each['accuracy']['sentence']}." for each in found["versions"]]
    said += [f"{found['bias']['sentence']}."] if found["bias"] else []
    return "\n".join([table(headers, rows), "", *said])


def share_text(estimate: JsonDocument | None) -> str | None:
    """A share and its interval."""
    if estimate is None:
        return None
    value, low, high = (f"{100 * estimate[key]:.1f}" for key in ("value", "low", "high"))
    return f"{value} % ({low} to {high})"


def _row(each: JsonDocument) -> tuple[object, ...]:
    accuracy, agreement = each["accuracy"], each["agreement"]
    kappa: dict[str, Any] | None = agreement["kappa"]
    worst, best = accuracy["worst"], accuracy["best"]
    return (
        _name(each),
        accuracy["judged"],
        accuracy["waiting"],
        accuracy["lost"],
        share_text(accuracy["weighted"]),
        share_text(accuracy["corrected"]),
        share_text(accuracy["naive"]),
        None if worst is None else f"{100 * worst:.1f} to {100 * best:.1f} %",
        kappa and kappa["value"],
        agreement["alpha"],
    )


def _name(each: JsonDocument) -> str:
    if "queue" in each:
        return f"queue {each['queue']}"
    return f"{'v' + str(each['version']) if 'version' in each else 'no version'} in {each['stage']}"


def people_text(found: JsonDocument) -> str:
    """A table of the reviewers; gold items are for leads only."""
    if not found["people"]:
        return "Nobody has reviewed anything in this time."
    headers = (
        "who", "answers", "last hour", "has now", "median s", "agrees", "kappa", "overturned",
    )  # fmt: skip
    rows = [_person(each, gold=found["gold"]) for each in found["people"]]
    return table((*headers, "gold") if found["gold"] else headers, rows)


def _person(each: JsonDocument, *, gold: bool) -> tuple[object, ...]:
    kappa: dict[str, Any] | None = each["kappa"]
    row = (
        each["name"],
        each["decisions"],
        each["decisions_per_hour"],
        each["holds"],
        each["median_seconds"],
        share_text(each["agreed"]),
        kappa and kappa["value"],
        share_text(each["overturned"]),
    )
    return (*row, share_text(each["gold"])) if gold else row
