"""The review page: take an item, answer, skip, keep the lease; each answer brings the next item."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from console.web.api import Api, Document
from console.web.render import Frame, Renderer
from console.web.views.review import (
    Notice,
    lease,
    not_counted,
    review_page,
    saved,
    skipped,
)
from console.web.visitor import local_address, named_visitor, remember, same_origin, visitor
from registry.domain.errors import Conflict, Invalid, StagegateError
from registry.domain.people import valid_name

Text = Annotated[str, Form(max_length=2000)]
Reviewer = Annotated[str, Depends(named_visitor)]
_CHECKED = [Depends(same_origin)]


def add(pages: APIRouter, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
    """Add these pages to the router."""
    desk = Desk(api, renderer, clock)
    _add_looking(pages, desk)
    _add_answering(pages, desk)


class Desk:
    """What every answer of the review page does: say what became of it, lay out the next item."""

    def __init__(self, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
        self.api = api
        self._renderer = renderer
        self._clock = clock

    async def next_item(self, model: str, actor: str) -> Document | None:
        """The reviewer's open item, or one that waits."""
        return await self.api.get("/v1/review/next", {"model": model} if model else {}, actor)

    def show(
        self,
        request: Request,
        document: Document | None,
        actor: str,
        model: str,
        notice: Notice | None = None,
        status: int = 200,
    ) -> Response:
        """The page with an item; for a script's request only the part that changes."""
        view = review_page(document, self._clock(), actor, str(uuid.uuid4()), model, notice)
        template = "item.html" if request.headers.get("hx-request") else "review.html"
        frame = Frame("Review", "review", actor, "/review" + view.query)
        return self._renderer.page(template, frame, view, status)

    async def show_next(
        self, request: Request, actor: str, model: str, notice: Notice, status: int = 200
    ) -> Response:
        """What became of the last answer, which stands even if the next item cannot be had."""
        try:
            document = await self.next_item(model, actor)
        except StagegateError as error:
            document, detail = None, f"{notice.detail} The next item did not come: {error}".strip()
            notice = Notice(notice.text, "bad", detail)
        return self.show(request, document, actor, model, notice, status)

    async def renew(self, item: str, epoch: int, actor: str) -> Response:
        """The lease after an attempt to keep it."""
        try:
            kept = await self.api.post(_path(item, "renew"), {"epoch": epoch}, actor)
            view, status = lease(kept, self._clock()), 200
        except Conflict as error:
            view, status = lease({}, self._clock(), lost=str(error)), 409
        return self._renderer.page("lease.html", Frame("", "", actor, ""), view, status)


def _path(item: str, action: str) -> str:
    return f"/v1/review/{quote(item, safe='')}/{action}"


def _add_looking(pages: APIRouter, desk: Desk) -> None:
    @pages.get("/review")
    async def review(request: Request, model: str = "") -> Response:
        actor = visitor(request)
        document = await desk.next_item(model, actor) if actor else None
        return desk.show(request, document, actor, model)

    @pages.get("/review/item")
    async def look_again(request: Request, reviewer: Reviewer, model: str = "") -> Response:
        document = await desk.next_item(model, reviewer)
        if document is None:
            return Response(status_code=204)
        return desk.show(request, document, reviewer, model)


def _add_answering(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/{item}/decision", dependencies=_CHECKED)
    async def decide(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Annotated[int, Form()],
        idempotency_key: Text,
        label: Annotated[str | None, Form()] = None,
        none: Annotated[bool, Form()] = False,
        comment: Text = "",
        presentation: Text = "blind",
        model: Text = "",
    ) -> Response:
        # No label alone must not mean "none of these": a form can be sent without any button.
        if (label is None) is not none:
            raise Invalid("choose one label, or none of these")
        body = {
            "epoch": epoch,
            "label": label,
            "comment": comment,
            "idempotency_key": idempotency_key,
        }
        try:
            answer = await desk.api.post(_path(item, "decision"), body, reviewer)
        except Conflict as error:
            notice = not_counted(label, str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        return await desk.show_next(request, reviewer, model, saved(answer, presentation))

    @pages.post("/review/{item}/skip", dependencies=_CHECKED)
    async def skip(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Annotated[int, Form()],
        reason: Annotated[str, Form(min_length=1, max_length=500)],
        model: Text = "",
    ) -> Response:
        body = {"epoch": epoch, "reason": reason}
        try:
            await desk.api.post(_path(item, "skip"), body, reviewer)
        except Conflict as error:
            notice = Notice("The skip did not count.", "bad", str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        return await desk.show_next(request, reviewer, model, skipped(reason))

    @pages.post("/review/{item}/renew", dependencies=_CHECKED)
    async def renew(reviewer: Reviewer, item: str, epoch: Annotated[int, Form()]) -> Response:
        return await desk.renew(item, epoch, reviewer)


def add_name(pages: APIRouter) -> None:
    """Where there are no accounts a visitor gives their name."""

    @pages.post("/name", dependencies=_CHECKED)
    def name(request: Request, name: Text, back: Text = "/review") -> Response:
        response = RedirectResponse(local_address(back), 303)
        remember(response, valid_name(name.strip()), secure=request.url.scheme == "https")
        return response
