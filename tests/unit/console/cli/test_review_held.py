"""What the command line says of items that people have before them."""

from typing import Any

from console.cli.review_held import held_items, held_text
from console.cli.review_text import items_text, nothing_text


def an_item(number: int, **changes: Any) -> dict[str, Any]:
    item = {"id": f"item-{number}", "model": "waste", "version": 3, "state": "leased"}
    end = {"holder": "rita", "lease_until": "2026-11-24T13:16:40+00:00", "snoozed_until": None}
    return item | end | changes


class Queue:
    """Answers what is asked of the list."""

    def get(self, path: str, **asked: Any) -> dict[str, Any]:
        assert (path, asked["model"]) == ("/v1/review/items", "waste")
        return {"items": [an_item(1, state=asked["state"])]}


def test_whom_an_item_waits_for_is_said_and_how_it_is_freed():
    assert held_text([an_item(1)]) == [
        "item-1 is held by rita until 13:16 UTC; `stagegate review release item-1` frees it."
    ]
    aside = an_item(2, state="snoozed", lease_until=None, snoozed_until="2026-11-24T15:00:00+01:00")
    assert held_text([aside])[0].startswith("item-2 was put aside by rita until 14:00 UTC;")
    assert nothing_text([an_item(1)], 1).splitlines()[1:] == held_text([an_item(1)])
    assert nothing_text([], 0) == "Nothing waits for a person."
    assert nothing_text([], 3).startswith("Nothing waits for you. Open: 3 ")


def test_of_very_many_held_items_the_first_are_named():
    *named, more = held_text([an_item(number) for number in range(9)])
    assert len(named) == 5
    assert more == "4 more are held: `stagegate review list --state leased`."


def test_what_is_held_is_what_somebody_has_or_has_put_aside():
    assert [item["state"] for item in held_items(Queue(), "waste")] == ["leased", "snoozed"]


def test_the_list_says_who_has_an_item():
    free = an_item(2, state="ready", lease_until=None)
    lines = items_text([an_item(1), free], None, 50).splitlines()
    assert "rita until 13:16 UTC" in lines[1]
    assert "rita" not in lines[2]


def test_a_list_that_ends_at_its_limit_says_so():
    items = [an_item(1), an_item(2)]
    assert items_text(items, "open", 2).endswith("The first 2 only; `--limit` shows more.")
    assert "--limit" not in items_text(items, "open", 3)
