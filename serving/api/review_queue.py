"""Looking at the review queue over HTTP: its items, one item's history, its input, the counts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime

from registry.api.actor import Who
from registry.domain.people import Identity
from serving.adapters.corrections import SqlCorrections, documents
from serving.api import review_shapes as shapes
from serving.api.answer_schema import PAYLOAD
from serving.api.parts import Serving
from serving.api.predictions import safe_headers
from serving.api.review_history import Record, document
from serving.api.text import Name
from serving.domain.review import Presentation
from serving.ports import ServingUnit


class State(StrEnum):
    """Where an item stands: with its slot while it is open, and as a whole afterwards."""

    OPEN = "open"
    READY = "ready"
    LEASED = "leased"
    SNOOZED = "snoozed"
    CLOSING = "closing"
    DECIDED = "decided"
    CANCELLED = "cancelled"


def add(routes: APIRouter, serving: Serving) -> None:
    """Add these routes to those of the review queue."""

    @routes.get("/items")
    async def items(
        who: Who,
        state: State | None = None,
        model: Name | None = None,
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Items in a state; those that wait come in the order of the queue."""
        return await serving.read(lambda unit: _items(unit, who.name, state, model, version, limit))

    @routes.get("/items/{item}")
    async def history(item: Name, who: Who) -> dict[str, Any]:
        """Everything that happened to an item."""
        return await serving.read(lambda unit: told(unit, item, who))

    @routes.get("/stats")
    async def stats() -> Mapping[str, object]:
        """How many items wait, since when and why."""
        now = serving.clock()
        return await serving.read(lambda unit: unit.reviews.stats(now))

    @routes.get("/corrections")
    def decided(
        model: Name,
        after: Annotated[str, Query(max_length=64, description="The last item you have")] = "",
        since: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> dict[str, Any]:
        """Decided items with what the model said, people found, and the chance of review."""
        with serving.database.read() as connection:
            found = SqlCorrections(connection).page(model, after, limit, since)
        return {"corrections": list(documents(found))}

    @routes.get("/{item}/payload", response_class=Response, responses=PAYLOAD)
    async def payload(item: Name) -> Response:
        """The input of an item as it was sent; nothing in it can run in a browser."""
        found = (await serving.read(lambda unit: unit.reviews.get(item))).item
        data = await serving.input(found.payload_digest)
        return Response(data, headers=safe_headers(found.id, found.payload_type))


def told(unit: ServingUnit, item: str, who: Identity) -> dict[str, Any]:
    """Everything that happened to an item, as far as somebody may know it."""
    task = unit.reviews.get(item)
    log, found = unit.review_log, task.item
    # Gold items are about no caller. What one was told would tell them from all other blind items.
    hidden = task.presentation is Presentation.BLIND and not who.lead
    asked = None if found.gold or hidden else unit.predictions.find(found.prediction_id)
    record = Record(task, log.all(item), log.events(item), asked, unit.reviews.excluded(task))
    return document(record, who)


def _items(
    unit: ServingUnit,
    who: str,
    state: State | None,
    model: str | None,
    version: int | None,
    limit: int,
) -> dict[str, Any]:
    waiting = unit.reviews.waiting(model)
    found = unit.reviews.find(state=state, model=model, version=version, limit=limit)
    return {"items": [shapes.item(task, waiting, who) for task in found], "open": waiting}
