"""Items that look alike, side by side for one answer to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import mapping, version
from console.web.views.review import Choice, choices


@dataclass(frozen=True, slots=True)
class Tile:
    """One of them; `name` holds the item and its claim."""

    name: str
    payload_url: str
    is_image: bool


@dataclass(frozen=True, slots=True)
class GridPage:
    """Everything that the grid shows."""

    first: str
    title: str
    tiles: tuple[Tile, ...]
    choices: tuple[Choice, ...]
    model: str
    idempotency_key: str

    @property
    def back(self) -> str:
        """The page of one item at a time."""
        return "/review" + (f"?model={quote(self.model, safe='')}" if self.model else "")


def grid_page(items: Sequence[Mapping[str, Any]], key: str, model: str) -> GridPage:
    """The grid of a reviewer's item and those like it; at least one."""
    first = items[0]
    answer = mapping(first.get("model_answer")).get("prediction")
    named = f"{first['model']} {version(first.get('version'))}"
    title = f"{len(items)} items of {named} for which the model said “{answer}”"
    tiles = tuple(
        Tile(
            f"{item['id']}:{item['epoch']}",
            str(item["payload_url"]),
            str(item.get("payload_type") or "").startswith("image/"),
        )
        for item in items
    )
    return GridPage(str(first["id"]), title, tiles, choices(first, shown=False), model, key)
