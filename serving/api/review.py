"""Reviewing over HTTP: next, decide, skip, renew, and what the queue looks like."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from registry.api.actor import Actor
from registry.domain.errors import Conflict
from serving.api import shapes
from serving.api.parts import Serving
from serving.api.text import Epoch, Name, Storable, Text
from serving.domain.prediction import Prediction
from serving.domain.review import Item, ItemState, Verdict
from serving.ports import ServingUnit
from serving.services import review


class DecisionBody(BaseModel):
    """A reviewer's answer; a label of null means none of these."""

    epoch: Epoch
    label: Annotated[Storable, Field(max_length=256)] | None
    comment: Text = ""
    idempotency_key: Name | None = None


class SkipBody(BaseModel):
    """Passing an item on."""

    epoch: Epoch
    reason: Text = ""


class RenewBody(BaseModel):
    """Keeping an item longer."""

    epoch: Epoch


def router(serving: Serving) -> APIRouter:
    """The routes of the review queue."""
    routes = APIRouter(prefix="/v1/review", tags=["review"])

    _add_queue(routes, serving)
    _add_lease(routes, serving)

    @routes.get("/next", response_model=None, responses={204: {"description": "Nothing waits"}})
    async def take(actor: Actor, model: Name | None = None) -> dict[str, Any] | Response:
        """The reviewer's own open item, else the most urgent free one, leased to them."""
        now = serving.clock()
        found = await serving.write(lambda unit: _next(unit, actor, now, model))
        return found or Response(status_code=204)

    @routes.post("/{item}/decision")
    async def decide(item: Name, body: DecisionBody, actor: Actor) -> dict[str, Any]:
        """Record an answer; 409 when someone else has taken the item, and it is kept uncounted."""
        verdict = _verdict(item, body, actor)
        now = serving.clock()
        result = await serving.write(lambda unit: review.decide(unit, verdict, now))
        if not result.repeated:
            serving.measurements.reviewed(counted=result.opinion.counted)
        if result.answered:
            serving.measurements.settled(result.answered)
        if not result.opinion.counted:
            raise Conflict(
                f"Review item {item} is no longer yours: someone else took or answered it. Your "
                "answer is kept as an extra opinion and does not count; take the next item."
            )
        serving.arrivals.announce(result.item.prediction_id)
        return shapes.decided(result)

    return routes


def _add_lease(routes: APIRouter, serving: Serving) -> None:
    @routes.post("/{item}/skip")
    async def skip(item: Name, body: SkipBody, actor: Actor) -> dict[str, Any]:
        """Pass an item on to others."""
        now = serving.clock()
        await serving.write(
            lambda unit: review.skip(unit, item, actor, body.epoch, body.reason, now)
        )
        return {"id": item, "status": "skipped"}

    @routes.post("/{item}/renew")
    async def renew(item: Name, body: RenewBody, actor: Actor) -> dict[str, Any]:
        """Keep an item for another ten minutes."""
        now = serving.clock()
        until = await serving.write(lambda unit: review.renew(unit, item, actor, body.epoch, now))
        return {"id": item, "epoch": body.epoch, "lease_until": until.isoformat()}


def _add_queue(routes: APIRouter, serving: Serving) -> None:
    @routes.get("/items")
    async def items(
        state: ItemState | None = None,
        model: Name | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Items in the order of the queue."""
        return await serving.read(lambda unit: _items(unit, state, model, limit))

    @routes.get("/stats")
    async def stats() -> Mapping[str, object]:
        """How many items wait, since when and why."""
        now = serving.clock()
        return await serving.read(lambda unit: unit.reviews.stats(now))


def _next(
    unit: ServingUnit, reviewer: str, now: datetime, model: str | None
) -> dict[str, Any] | None:
    found = review.next_item(unit, reviewer, now, model)
    if found is None:
        return None
    return _shown(unit, found, unit.reviews.waiting(model))


def _items(
    unit: ServingUnit, state: ItemState | None, model: str | None, limit: int
) -> dict[str, Any]:
    waiting = unit.reviews.waiting(model)
    found = unit.reviews.find(state=state, model=model, limit=limit)
    return {"items": [_shown(unit, item, waiting) for item in found], "open": waiting}


def _shown(unit: ServingUnit, item: Item, waiting: int) -> dict[str, Any]:
    about: Prediction = unit.predictions.get(item.prediction_id)
    return {**shapes.item(item, waiting), "payload_type": about.payload_type}


def _verdict(item: str, body: DecisionBody, reviewer: str) -> Verdict:
    """Without a key of the sender's own, the same answer to the same claim is the same verdict."""
    key = body.idempotency_key or f"{item}:{body.epoch}:{reviewer}:{body.label}"[:256]
    return Verdict(item, reviewer, body.epoch, body.label, body.comment, key)
