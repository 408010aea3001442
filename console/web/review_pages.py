"""The review page: take an item, answer, keep the lease; each answer brings the next item."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from console.web import review_actions
from console.web.api import Api
from console.web.render import Frame, Renderer
from console.web.review_desk import CHECKED, Desk, Reviewer, Text, api_path, one_label
from console.web.views.review_input import input_panel
from console.web.views.review_notices import not_counted
from console.web.visitor import local_address, remember, visitor
from registry.domain.errors import Conflict, StagegateError
from registry.domain.people import valid_name
from registry.domain.several import together


def add(pages: APIRouter, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
    """Add these pages to the router."""
    desk = Desk(api, renderer, clock)
    _add_looking(pages, desk)
    review_actions.add(pages, desk)  # before the routes of one item, which /bulk/… look like
    _add_answering(pages, desk)


def _add_looking(pages: APIRouter, desk: Desk) -> None:
    @pages.get("/review")
    async def review(request: Request, model: str = "") -> Response:
        actor = visitor(request)
        document = await desk.next_item(model, actor) if actor else None
        others = await desk.of_others(document, actor)
        return desk.show(request, document, actor, model, others=others)

    @pages.get("/review/item")
    async def look_again(request: Request, reviewer: Reviewer, model: str = "") -> Response:
        document = await desk.next_item(model, reviewer)
        if document is None:
            return Response(status_code=204)
        others = await desk.of_others(document, reviewer)
        return desk.show(request, document, reviewer, model, others=others)

    @pages.get("/review/ahead")
    async def ahead(reviewer: Reviewer, after: str, model: str = "") -> Response:
        # It takes the next item for this reviewer: only then is the photograph surely the right
        # one. They hold two at most, and the page gives back what they do not come to.
        params = {"after": after} | ({"model": model} if model else {})
        document = await desk.api.get("/v1/review/next", params, reviewer)
        if document is None:
            return Response(status_code=204)
        claim = f"{document['id']}:{document['epoch']}"
        return JSONResponse({"payload_url": document["payload_url"], "claim": claim})

    @pages.get("/review/{item}/input")
    async def compared(request: Request, item: str) -> Response:
        try:
            document = await desk.api.get(api_path(item, "input"), None, visitor(request))
        except StagegateError:
            return Response(status_code=204)  # the item can be judged without
        frame = Frame("", "", visitor(request), "")
        return desk.renderer.page("input.html", frame, input_panel(document or {}))


def _add_answering(pages: APIRouter, desk: Desk) -> None:
    @pages.post("/review/{item}/decision", dependencies=CHECKED)
    async def decide(
        request: Request,
        reviewer: Reviewer,
        item: str,
        epoch: Annotated[int, Form()],
        idempotency_key: Text,
        label: Annotated[str | None, Form()] = None,
        none: Annotated[bool, Form()] = False,
        chosen: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
        several: Annotated[bool, Form()] = False,
        comment: Text = "",
        presentation: Text = "blind",
        page: Text = "",
        model: Text = "",
    ) -> Response:
        said = together(chosen) if several else one_label(label, none=none)
        body = {
            "epoch": epoch,
            "label": said,
            "comment": comment,
            "idempotency_key": idempotency_key,
            "page": page or None,
        }
        try:
            answer = await desk.api.post(api_path(item, "decision"), body, reviewer)
        except Conflict as error:
            notice = not_counted(said, str(error))
            return await desk.show_next(request, reviewer, model, notice, 409)
        return await desk.show_next(request, reviewer, model, desk.saved(answer, presentation))

    @pages.post("/review/{item}/renew", dependencies=CHECKED)
    async def renew(reviewer: Reviewer, item: str, epoch: Annotated[int, Form()]) -> Response:
        return await desk.renew(item, epoch, reviewer)


def add_name(pages: APIRouter) -> None:
    """Where there are no accounts a visitor gives their name."""

    @pages.post("/name", dependencies=CHECKED)
    def name(request: Request, name: Text, back: Text = "/review") -> Response:
        response = RedirectResponse(local_address(back), 303)
        remember(response, valid_name(name.strip()), secure=request.url.scheme == "https")
        return response
