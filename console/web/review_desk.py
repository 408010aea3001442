"""The desk of the review page: what every action on it has in common."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from json import dumps
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Form, Request
from fastapi.responses import Response

from console.web.api import Api, Document
from console.web.render import Frame, Renderer
from console.web.views.formatting import sequence
from console.web.views.review import lease, review_page
from console.web.views.review_notices import Notice, saved
from console.web.visitor import named_visitor, same_origin
from registry.domain.errors import Conflict, Invalid, StagegateError

Text = Annotated[str, Form(max_length=2000)]
Reviewer = Annotated[str, Depends(named_visitor)]
_TOLD = {"escalated", "skipped", "comment"}
CHECKED = [Depends(same_origin)]


class Desk:
    """What every answer of the review page does: say what became of it, lay out the next item."""

    def __init__(self, api: Api, renderer: Renderer, clock: Callable[[], datetime]) -> None:
        self.api = api
        self.renderer = renderer
        self.clock = clock

    def saved(self, answer: Document, presentation: str) -> Notice:
        """What to say after an answer was stored."""
        return saved(answer, presentation, self.clock(), str(uuid.uuid4()))

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
        others: Sequence[Document] = (),
    ) -> Response:
        """The page with an item; for a script's request only the part that changes."""
        view = review_page(document, self.clock(), actor, str(uuid.uuid4()), model, notice, others)
        template = "item.html" if request.headers.get("hx-request") else "review.html"
        frame = Frame("Review", "review", actor, "/review" + view.query)
        return self.renderer.page(template, frame, view, status)

    async def show_next(
        self, request: Request, actor: str, model: str, notice: Notice, status: int = 200
    ) -> Response:
        """What became of the last answer, which stands even if the next item cannot be had."""
        try:
            document = await self.next_item(model, actor)
            others = await self.of_others(document, actor)
        except StagegateError as error:
            others = ()
            document, detail = None, f"{notice.detail} The next item did not come: {error}".strip()
            notice = Notice(notice.text, "bad", detail)
        return self.show(request, document, actor, model, notice, status, others)

    async def show_notice(
        self, request: Request, actor: str, model: str, notice: Notice, status: int = 200
    ) -> Response:
        """What became of an earlier answer; for a script only that, and the item stays as it is."""
        if not request.headers.get("hx-request"):
            return await self.show_next(request, actor, model, notice, status)
        view = review_page(None, self.clock(), actor, "", model, notice)
        return self.renderer.page("notice.html", Frame("", "", actor, ""), view, status)

    async def of_others(self, document: Document | None, actor: str) -> Sequence[Document]:
        """What others said of an item that waits for a lead, and why they passed it on."""
        if document is None or document.get("queue") != "lead":
            return ()
        path = f"/v1/review/items/{quote(str(document['id']), safe='')}"
        history = await self.api.get(path, None, actor) or {}
        said = [one for one in sequence(history.get("decisions")) if one.get("counted")]
        done = [one for one in sequence(history.get("events")) if one.get("action") in _TOLD]
        return said + done

    async def renew(self, item: str, epoch: int, actor: str) -> Response:
        """The lease after an attempt to keep it."""
        try:
            kept = await self.api.post(api_path(item, "renew"), {"epoch": epoch}, actor)
            view, status = lease(kept, self.clock()), 200
        except Conflict as error:
            view, status = lease({}, self.clock(), lost=str(error)), 409
        return self.renderer.page("lease.html", Frame("", "", actor, ""), view, status)


def api_path(item: str, action: str) -> str:
    """The address of an action in the contract."""
    return f"/v1/review/{quote(item, safe='')}/{action}"


def key_of(notice: str, label: str | None) -> str:
    """The key of one change from one notice: sent again it is the same, another label is another.

    A label may be as long as the longest key.
    """
    return sha256(dumps([notice, label]).encode()).hexdigest()


def one_label(label: str | None, *, none: bool) -> str | None:
    """The answer that a form holds, None for none of these; Invalid if it holds no answer.

    No label alone must not mean "none of these": a form can be sent without any button.
    """
    if (label is None) is not none:
        raise Invalid("choose one label, or none of these")
    return label
