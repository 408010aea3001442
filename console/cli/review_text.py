"""Review items, answers and counts as lines of text."""

from typing import Any

from console.cli.review_held import held_text, until_text
from console.cli.rollout_text import stage_words
from console.cli.session import JsonDocument, table


def items_text(items: list[dict[str, Any]], state: str | None, limit: int) -> str:
    """A table of items, all of them in this state; that there may be more, at the limit."""
    if not items:
        return f"No item is {state}." if state else "The queue has no items yet."
    rows: list[tuple[object, ...]] = [
        (
            item["id"], f"{item['model']}@{item['version']}", item.get("state"),
            item.get("queue"), _held_by(item),
            ", ".join(reason["code"] for reason in item.get("reasons") or []),
        )
        for item in items
    ]  # fmt: skip
    shown = table(("item", "version", "state", "queue", "with", "why"), rows)
    more = f"\nThe first {limit} only; `--limit` shows more." if len(items) == limit else ""
    return shown + more


def nothing_text(held: list[dict[str, Any]], waiting: int) -> str:
    """That no item is free for whoever asks, and who has those that are not.

    waiting: how many items are open.
    """
    if not held and waiting:
        return (
            f"Nothing waits for you. Open: {waiting} (`stagegate review list`); nobody gets an "
            "item on which they have given an answer or that they passed on, and only leads get "
            "what was escalated."
        )
    if not held:
        return "Nothing waits for a person."
    return "\n".join(["Nothing is free now; what waits is with somebody:", *held_text(held)])


def item_text(item: JsonDocument) -> str:
    """One item, and how to answer it."""
    lines = [f"{item['id']}  {item['model']}@{item['version']} in {stage_words(item)}"]
    lines += [f"  - {reason['reason']}" for reason in item["reasons"]]
    several = " (any of them: write ; between those that apply)" if item["several"] else ""
    lines += [f"  labels: {', '.join(item['labels'])}{several}", f"  input: {item['payload_url']}"]
    if item.get("payload_missing"):
        lines.append(f"  {item['payload_missing']}")
    if item["model_answer"]:
        lines.append(f"  the model says: {item['model_answer']['prediction']}")
    answer = f"stagegate review decide {item['id']} LABEL --epoch {item['epoch']}"
    return "\n".join([*lines, f"  yours until {item['lease_until']}; answer: {answer}"])


def decision_text(found: JsonDocument) -> str:
    """What became of an answer."""
    model = (found.get("model_answer") or {}).get("prediction")
    relation = {True: f"; agrees with {model}", False: f"; disagrees with {model}", None: ""}
    late = "" if found["counted"] else " It came too late to count and is kept as an opinion."
    undo = f" It can be undone until {found['undo_until']}." if found.get("undo_until") else ""
    said = found["label"] or "none of these"
    return f"{found['id']}: {said}{relation[found['agrees']]}.{late}{undo}"


def history_text(found: JsonDocument) -> str:
    """Everything that happened to an item."""
    outcome = (found["outcome"] or {}).get("prediction", "none of these")
    lines = [f"{found['id']}  {found['model']}@{found['version']}: {found['state']}"]
    lines += [f"  - {reason['reason']}" for reason in found["reasons"]]
    if found["outcome"]:
        lines.append(f"  outcome: {outcome} ({found['source']})")
    rows: list[tuple[object, ...]] = [
        (
            one["decided_at"], one["reviewer"], one.get("label", "(hidden until it is final)"),
            "counted" if one["counted"] else "extra", "informed" if one["informed"] else "blind",
        )
        for one in found["decisions"]
    ]  # fmt: skip
    rows += [
        (one["at"], one["actor"], one["action"], "", one["detail"].get("reason", ""))
        for one in found["events"]
    ]
    return "\n".join([*lines, table(("at", "who", "what", "", ""), sorted(rows, key=str))])


def stats_text(found: JsonDocument) -> str:
    """The counts of the queue."""
    rows: list[tuple[object, ...]] = [
        (key.replace("_", " "), value)
        for key, value in found.items()
        if not isinstance(value, dict | list)
    ]
    rows += [(f"because of {code}", number) for code, number in found["by_reason"].items()]
    return table(("what", "number"), rows)


def _held_by(item: dict[str, Any]) -> str:
    held = item.get("state") in {"leased", "snoozed"} and item.get("holder")
    return f"{item['holder']} until {until_text(item)}" if held else ""
