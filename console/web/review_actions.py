"""What a reviewer can do with an item besides answering it: one route an action."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from console.web.api import Document
from console.web.render import HEADERS, Frame
from console.web.review_desk import CHECKED, Desk, Reviewer, Text, api_path, key_of, one_label
from console.web.views.formatting import sequence
from console.web.views.review_grid import grid_page
from console.web.views.review_notices import (
    Notice,
    escalated,
    put_aside,
    saved_all,
    skipped,
)
from console.web.visitor import local_address
from registry.domain.errors import Conflict, Invalid

Epoch = Annotated[int, Form()]
WORDS_AT_MOST = 500


def in_words(reason: Annotated[str, Form()] = "", words: Annotated[str, Form()] = "") -> str:
    """Why an item is passed on: a reason of the dialog, one's own words, or both."""
    why = ": ".join(part for part in (reason.strip(), words.strip()) if part)
    if not why:
        raise Invalid("choose a reason, or write in a few words what else it is")
    if len(words) > WORDS_AT_MOST:
        raise Invalid(f"your words have {len(words)} characters, {WORDS_AT_MOST} fit; shorten them")
    return why


Why = Annotated[str, Depends(in_words)]


def add(pages: APIRouter, desk: Desk) -> None:
    """Add these routes to those of the review page."""
    _add_bulk(pages, desk)  # before the routes of one item, which /review/bulk/undo looks like
    _add_grid(pages, desk)
    _add_second_thoughts(pages, desk)
    _add_passing_on(pages, desk)
    _add_beside(pages, desk)


def _add_second_thoughts(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/{item}/undo", dependencies=CHECKED)
    async def undo(
        request: Request, reviewer: Reviewer, item: str, epoch: Epoch, model: Text = ""
    ) -> Response:
        try:
            document = await desk.api.post(api_path(item, "undo"), {"epoch": epoch}, reviewer)
        except Conflict as error:
            notice = Notice("The answer was not undone.", "bad", str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        if (document["state"], document["holder"]) != ("leased", reviewer):
            notice = Notice("Undone.", "plain", "The item is no longer before you.")
            return await desk.show_next(request, reviewer, model, notice)
        others = await desk.of_others(document, reviewer)
        notice = Notice("Undone.", "plain", "Here is the item again.")
        return desk.show(request, document, reviewer, model, notice, others=others)

    @pages.post("/review/{item}/agree", dependencies=CHECKED)
    async def agree(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Epoch,
        idempotency_key: Text,
        page: Text = "",
        model: Text = "",
    ) -> Response:
        body = {"epoch": epoch, "idempotency_key": idempotency_key, "page": page or None}
        return await change(request, reviewer, model, api_path(item, "agree"), body)

    @pages.post("/review/{item}/correct", dependencies=CHECKED)
    async def correct(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Epoch,
        idempotency_key: Text,
        label: Annotated[str | None, Form()] = None,
        none: Annotated[bool, Form()] = False,
        page: Text = "",
        model: Text = "",
    ) -> Response:
        said = one_label(label, none=none)
        body = {
            "epoch": epoch,
            "label": said,
            "revise": True,
            "idempotency_key": key_of(idempotency_key, said),
            "page": page or None,
        }
        return await change(request, reviewer, model, api_path(item, "decision"), body)

    async def change(
        request: Request, reviewer: str, model: str, path: str, body: dict[str, Any]
    ) -> Response:
        try:
            answer = await desk.api.post(path, body, reviewer)
        except Conflict as error:
            notice = Notice("Your first answer stands.", "bad", str(error))
            return await desk.show_notice(request, reviewer, model, notice, 409)
        # The service tells the model's answer only where it may be known.
        notice = desk.saved(answer, "answer-first")
        return await desk.show_notice(request, reviewer, model, notice)


def _add_passing_on(pages: APIRouter, desk: Desk) -> None:
    async def pass_on(
        request: Request,
        reviewer: str,
        model: str,
        path: str,
        body: dict[str, Any],
        said: Callable[[Document], Notice],
    ) -> Response:
        try:
            done = await desk.api.post(path, body, reviewer)
        except Conflict as error:
            notice = Notice("That did not count.", "bad", str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        return await desk.show_next(request, reviewer, model, said(done))

    @pages.post("/review/{item}/skip", dependencies=CHECKED)
    async def skip(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Epoch,
        why: Why,
        model: Text = "",
    ) -> Response:
        body = {"epoch": epoch, "reason": why}
        path = api_path(item, "skip")
        return await pass_on(request, reviewer, model, path, body, lambda _: skipped(why))

    @pages.post("/review/{item}/escalate", dependencies=CHECKED)
    async def escalate(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Epoch,
        why: Why,
        model: Text = "",
    ) -> Response:
        body = {"epoch": epoch, "reason": why}
        path = api_path(item, "escalate")
        return await pass_on(request, reviewer, model, path, body, lambda _: escalated(why))

    @pages.post("/review/{item}/snooze", dependencies=CHECKED)
    async def snooze(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Epoch,
        minutes: Annotated[int, Form(ge=1, le=30 * 24 * 60)],
        model: Text = "",
    ) -> Response:
        until = (desk.clock() + timedelta(minutes=minutes)).isoformat()
        # Sent again, it would be until later: what makes it the same is the choice.
        body = {"epoch": epoch, "until": until, "idempotency_key": f"{minutes} minutes"}
        path = api_path(item, "snooze")
        return await pass_on(request, reviewer, model, path, body, put_aside)


def _add_beside(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/{item}/release", dependencies=CHECKED)
    async def release(
        reviewer: Reviewer, item: str, epoch: Epoch, back: Text = "/review/queues"
    ) -> Response:
        await desk.api.post(api_path(item, "release"), {"epoch": epoch}, reviewer)
        return RedirectResponse(local_address(back), 303)

    @pages.post("/review/{item}/comment", dependencies=CHECKED)
    async def comment(reviewer: Reviewer, item: str, comment: Text) -> Response:
        if not comment.strip():
            raise Invalid("write a comment first")
        await desk.api.post(api_path(item, "comment"), {"text": comment}, reviewer)
        return PlainTextResponse("Comment kept.", headers=HEADERS)


def _add_bulk(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/bulk/decision", dependencies=CHECKED)
    async def answer_all(
        request: Request,
        reviewer: Reviewer,
        items: Annotated[list[str], Form()],
        idempotency_key: Text,
        label: Annotated[str | None, Form()] = None,
        none: Annotated[bool, Form()] = False,
        page: Text = "",
        model: Text = "",
    ) -> Response:
        chosen = one_label(label, none=none)
        named = {"items": [_item(one) for one in items], "idempotency_key": idempotency_key}
        body = {**named, "label": chosen, "page": page or None}
        try:
            answers = await desk.api.post("/v1/review/bulk/decision", body, reviewer)
        except Conflict as error:
            notice = Notice("Nothing was answered.", "bad", str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        notice = saved_all(idempotency_key, sequence(answers.get("items")), desk.clock())
        return await desk.show_next(request, reviewer, model, notice)

    @pages.post("/review/bulk/undo", dependencies=CHECKED)
    async def undo_all(
        request: Request, reviewer: Reviewer, idempotency_key: Text, model: Text = ""
    ) -> Response:
        body = {"idempotency_key": idempotency_key}
        try:
            await desk.api.post("/v1/review/bulk/undo", body, reviewer)
        except Conflict as error:
            notice = Notice("The answers were not undone.", "bad", str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        notice = Notice("All of them are undone.", "plain", "They are yours again, one by one.")
        return await desk.show_next(request, reviewer, model, notice)


def _add_grid(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/{item}/grid", dependencies=CHECKED)
    async def grid(
        request: Request, reviewer: Reviewer, item: str, epoch: Epoch, model: Text = ""
    ) -> Response:
        try:
            alike = await desk.api.post(api_path(item, "grid"), {"epoch": epoch}, reviewer)
        except (Conflict, Invalid) as error:
            notice = Notice("No look-alikes.", "warn", str(error))
            return await desk.show_next(request, reviewer, model, notice)
        items = sequence(alike.get("items"))
        if len(items) < 2:
            notice = Notice("No look-alikes.", "plain", "Nothing else that is free looks like it.")
            return await desk.show_next(request, reviewer, model, notice)
        view = grid_page(items, str(uuid.uuid4()), model)
        template = "grid.html" if request.headers.get("hx-request") else "grid_page.html"
        frame = Frame("Review look-alikes", "review", reviewer, "/review")
        return desk.renderer.page(template, frame, view)


def _item(named: str) -> dict[str, Any]:
    """An item and its epoch, as a box of the grid names them."""
    item, _, epoch = named.rpartition(":")
    if not item or not epoch.isdecimal():
        raise Invalid(f"{named!r} names no item of the grid; look at the page again")
    return {"item": item, "epoch": int(epoch)}
