"""Whom a rollout waits for: the items of its version that somebody has before them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import Moment, moment

NAMED = 5


@dataclass(frozen=True, slots=True)
class Held:
    """One of them; `how` says whether it is being reviewed or was put aside."""

    id: str
    url: str
    holder: str
    how: str
    until: Moment | None
    epoch: int
    release_url: str


@dataclass(frozen=True, slots=True)
class HeldItems:
    """The first of them, and whether there are more."""

    named: tuple[Held, ...]
    more: bool


def held_items(items: Sequence[Mapping[str, Any]], now: datetime) -> HeldItems:
    """The items that somebody has, or has put aside."""
    found = tuple(_held(one, now) for one in items)
    return HeldItems(found[:NAMED], len(found) > NAMED)


def _held(one: Mapping[str, Any], now: datetime) -> Held:
    name = quote(str(one["id"]), safe="")
    return Held(
        id=str(one["id"]),
        url=f"/review/items/{name}",
        holder=str(one.get("holder") or ""),
        how="was put aside by" if one.get("state") == "snoozed" else "is held by",
        until=moment(one.get("lease_until") or one.get("snoozed_until"), now),
        epoch=int(one.get("epoch") or 0),
        release_url=f"/review/{name}/release",
    )
