"""How the input of a review item compares with the training data, over HTTP."""

from dataclasses import asdict
from typing import Any, Protocol

from fastapi import APIRouter

from monitoring.domain.placing import Placed
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import NotFound
from registry.domain.versions import ModelVersion
from serving.api.parts import Serving
from serving.api.text import Name
from serving.domain.review import Item


class Inputs(Protocol):
    """Inputs beside the training data of a version."""

    def compare(self, version: ModelVersion, data: bytes) -> tuple[Placed, ...]:
        """Its values among the version's training data; NotFound for a version without them."""


def router(serving: Serving, inputs: Inputs) -> APIRouter:
    """The route; what it tells depends on no model's answer, so a blind reviewer may read it."""
    routes = APIRouter(prefix="/v1/review", tags=["review"])

    @routes.get("/{item}/input")
    async def compared(item: Name) -> dict[str, Any]:
        """Each value of an item's input against those of the training data, the oddest first."""
        found = (await serving.read(lambda unit: unit.reviews.get(item))).item
        return await serving.stored.run(lambda: _compared(serving, inputs, found))

    return routes


def _compared(serving: Serving, inputs: Inputs, item: Item) -> dict[str, Any]:
    if item.version is None:
        raise NotFound(f"No version was asked about review item {item.id}.")
    with serving.database.read() as connection:
        version = SqlUnitOfWork(connection).versions.get(item.model, item.version)
    placed = inputs.compare(version, serving.payloads.get(item.payload_digest))
    return {"version": version.version, "values": [asdict(one) for one in placed]}
