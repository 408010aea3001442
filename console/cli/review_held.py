"""Which items people have before them now, and how a lead frees one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.client import Client

NAMED = 5


def held_items(client: "Client", model: str | None) -> list[dict[str, Any]]:
    """The items that somebody has, or has put aside."""
    found: list[dict[str, Any]] = []
    for state in ("leased", "snoozed"):
        found += client.get("/v1/review/items", model=model, state=state, limit=1000)["items"]
    return found


def held_text(items: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each of the first items, and one for the others."""
    lines = [_sentence(item) for item in items[:NAMED]]
    if (more := len(items) - NAMED) > 0:
        lines.append(f"{more} more are held: `stagegate review list --state leased`.")
    return lines


def until_text(item: dict[str, Any]) -> str:
    """Until when somebody has an item, or it rests."""
    end = item.get("lease_until") or item.get("snoozed_until")
    return f"{datetime.fromisoformat(end).astimezone(UTC):%H:%M} UTC" if end else ""


def _sentence(item: dict[str, Any]) -> str:
    holder, end = item["holder"], until_text(item)
    how = "is held by" if item["state"] == "leased" else "was put aside by"
    return (
        f"{item['id']} {how} {holder} until {end}; "
        f"`stagegate review release {item['id']}` frees it."
    )
