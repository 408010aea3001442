"""Reviewing over HTTP: taking items and answering them."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from registry.api.actor import Actor, Lead, Who
from registry.domain.errors import Conflict
from serving.api import review_actions, review_people, review_quality, review_queue
from serving.api import review_shapes as shapes
from serving.api.backlog import Backlog
from serving.api.parts import Serving
from serving.api.review_bodies import (
    AdjudicationBody,
    AgreeBody,
    BulkBody,
    BulkUndoBody,
    DecisionBody,
    LeaseBody,
)
from serving.api.text import Name
from serving.domain.review import Task
from serving.services import review
from serving.services import review_actions as actions

MISSING = "the input is no longer stored; skip this item with that reason"


def router(serving: Serving) -> APIRouter:
    """The routes of the review queue."""
    routes = APIRouter(prefix="/v1/review", tags=["review"])
    review_queue.add(routes, serving)
    review_quality.add(routes, serving)
    review_people.add(routes, serving)
    _add_next(routes, serving)
    _add_bulk(routes, serving)  # before the routes of one item, which /bulk/undo looks like
    _add_answers(routes, serving)
    review_actions.add(routes, serving)
    return routes


def _add_next(routes: APIRouter, serving: Serving) -> None:
    def count(model: str | None) -> Awaitable[int]:
        return serving.read(lambda unit: unit.reviews.waiting(model))

    backlog = Backlog(count)

    @routes.get("/next", response_model=None, responses={204: {"description": "Nothing waits"}})
    async def take(
        who: Who,
        model: Name | None = None,
        after: Annotated[Name | None, Query(description="The item that you have already")] = None,
    ) -> Response:
        """The reviewer's own open item, else the most urgent free one, leased to them."""
        now, draw, began = serving.clock(), serving.draw(), time.perf_counter()
        found, waiting = await asyncio.gather(  # an item that is taken waits still
            serving.hand_out(
                lambda unit: review.next_item(unit, who, now, model, after, serving.lease, draw)
            ),
            backlog.waiting(model),
        )
        shown = await _shown(serving, found, waiting, who.name) if found else None
        serving.measurements.took_next(time.perf_counter() - began)
        return JSONResponse(shown) if shown else Response(status_code=204)

    @routes.post("/{item}/grid")
    async def grid(item: Name, body: LeaseBody, actor: Actor) -> dict[str, Any]:
        """The item that you have with others that look alike, leased for one answer to all."""
        now = serving.clock()
        tasks = await serving.write(
            lambda unit: actions.grid(unit, item, actor, body.epoch, now, serving.lease)
        )
        return {"items": [shapes.item(task, len(tasks), actor) for task in tasks]}


def _add_answers(routes: APIRouter, serving: Serving) -> None:
    @routes.post("/{item}/decision")
    async def decide(item: Name, body: DecisionBody, actor: Actor) -> dict[str, Any]:
        """Record an answer; 409 when someone else has taken the item, and it is kept uncounted."""
        verdict, now = body.verdict(item, actor), serving.clock()
        result = await serving.write(lambda unit: review.decide(unit, verdict, now, serving.undo))
        return _answered(serving, result)

    @routes.post("/{item}/agree")
    async def agree(item: Name, body: AgreeBody, actor: Actor) -> dict[str, Any]:
        """Give the model's answer, which you have seen, as your own."""
        now = serving.clock()
        key = body.idempotency_key or body.one_key("agree")
        result = await serving.write(
            lambda unit: review.agree(
                unit,
                item,
                actor,
                body.epoch,
                key,
                now,
                serving.undo,
                final=body.final,
                page=body.page,
            )
        )
        return _answered(serving, result)

    @routes.post("/{item}/adjudicate")
    async def adjudicate(item: Name, body: AdjudicationBody, lead: Lead) -> dict[str, Any]:
        """Settle an item on which reviewers disagree, or that one of them passed on to a lead."""
        verdict, now = body.verdict(item, lead), serving.clock()
        result = await serving.write(
            lambda unit: actions.adjudicate(unit, verdict, now, serving.undo)
        )
        return _answered(serving, result)

    @routes.post("/{item}/undo")
    async def undo(item: Name, body: LeaseBody, actor: Actor) -> dict[str, Any]:
        """Take your answer back while its caller has not heard it; the item is yours again."""
        now = serving.clock()
        task = await serving.write(
            lambda unit: review.undo(unit, item, actor, body.epoch, now, serving.lease)
        )
        waiting = await serving.read(lambda unit: unit.reviews.waiting(None))
        return await _shown(serving, task, waiting, actor)


def _add_bulk(routes: APIRouter, serving: Serving) -> None:
    @routes.post("/bulk/decision")
    async def bulk(body: BulkBody, actor: Actor) -> dict[str, Any]:
        """One answer to items that look alike: all of them, or none."""
        verdicts, now = body.verdicts(actor), serving.clock()
        results = await serving.write(
            lambda unit: actions.decide_bulk(unit, verdicts, now, serving.undo)
        )
        return {"items": [_answered(serving, result) for result in results]}

    @routes.post("/bulk/undo")
    async def undo_bulk(body: BulkUndoBody, actor: Actor) -> dict[str, Any]:
        """Take back all answers that were given at one stroke."""
        now, key = serving.clock(), body.idempotency_key
        tasks = await serving.write(lambda unit: actions.undo_bulk(unit, key, actor, now))
        return {"items": [shapes.item(task, 0, actor) for task in tasks]}


def _answered(serving: Serving, result: review.Decided) -> dict[str, Any]:
    """Count it and tell who waits; Conflict if it came too late to count."""
    item = result.task.item
    if not result.repeated:
        serving.measurements.reviewed(counted=result.opinion.counted)
    if result.answered:
        serving.measurements.settled(result.answered)
        serving.arrivals.announce(item.prediction_id)
    if not result.opinion.counted:
        raise Conflict(
            f"Review item {item.id} is no longer yours: someone else took or answered it. Your "
            "answer is kept as an extra opinion and does not count; take the next item."
        )
    return shapes.decided(result)


async def _shown(serving: Serving, task: Task, waiting: int, who: str) -> dict[str, Any]:
    here = await serving.stored.run(lambda: serving.payloads.has(task.item.payload_digest))
    return {**shapes.item(task, waiting, who), "payload_missing": None if here else MISSING}
