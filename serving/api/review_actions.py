"""What a reviewer can do with an item besides answering it, over HTTP."""

from typing import Any

from fastapi import APIRouter

from registry.api.actor import Actor, Who
from serving.api import review_shapes as shapes
from serving.api.parts import Serving
from serving.api.review_bodies import CommentBody, LeaseBody, SkipBody, SnoozeBody
from serving.api.text import Name
from serving.domain.opinions import Passing
from serving.services import review_actions as actions


def add(routes: APIRouter, serving: Serving) -> None:
    """Add these routes to those of the review queue."""
    _add_passing_on(routes, serving)
    _add_lease(routes, serving)


def _add_passing_on(routes: APIRouter, serving: Serving) -> None:
    @routes.post("/{item}/skip")
    async def skip(item: Name, body: SkipBody, actor: Actor) -> dict[str, Any]:
        """Pass an item on to others."""
        now = serving.clock()
        await serving.write(lambda unit: actions.skip(unit, body.passing(item, actor), now))
        return {"id": item, "status": "skipped"}

    @routes.post("/{item}/escalate")
    async def escalate(item: Name, body: SkipBody, actor: Actor) -> dict[str, Any]:
        """Pass an item on to a lead, whose answer settles it."""
        now = serving.clock()
        await serving.write(lambda unit: actions.escalate(unit, body.passing(item, actor), now))
        return {"id": item, "status": "escalated"}

    @routes.post("/{item}/snooze")
    async def snooze(item: Name, body: SnoozeBody, actor: Actor) -> dict[str, Any]:
        """Put an item aside for everybody until a moment."""
        now = serving.clock()
        sent = body.passing(item, actor)
        until = await serving.write(lambda unit: actions.snooze(unit, sent, body.until, now))
        return {"id": item, "status": "snoozed", "until": until.isoformat()}

    @routes.post("/{item}/comment")
    async def comment(item: Name, body: CommentBody, actor: Actor) -> dict[str, Any]:
        """Say something about an item."""
        now, sent = serving.clock(), body.passing(item, actor)
        await serving.write(lambda unit: actions.comment(unit, sent, now))
        return {"id": item, "status": "commented"}


def _add_lease(routes: APIRouter, serving: Serving) -> None:
    @routes.post("/{item}/renew")
    async def renew(item: Name, body: LeaseBody, actor: Actor) -> dict[str, Any]:
        """Keep an item for another lease, ten minutes unless set otherwise."""
        now = serving.clock()
        until = await serving.write(
            lambda unit: actions.renew(unit, item, actor, body.epoch, now, serving.lease)
        )
        return {"id": item, "epoch": body.epoch, "lease_until": until.isoformat()}

    @routes.post("/{item}/release")
    async def release(item: Name, body: LeaseBody, who: Who) -> dict[str, Any]:
        """Give your item back, or as a lead free anybody's; the epoch is that of the claim."""
        now, sent = serving.clock(), Passing(item, who.name, body.epoch, idempotency_key="")
        task = await serving.write(lambda unit: actions.release(unit, sent, now, lead=who.lead))
        return shapes.item(task, 0, who.name)
