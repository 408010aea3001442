"""The pages over an API in memory, at an address that a browser can open."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import page_documents as documents
from browser import photograph
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from playwright.sync_api import Page
from starlette.middleware.base import RequestResponseEndpoint

from console.web import pages
from registry.domain.errors import NotFound

Open = Callable[..., Page]

_asked_in: ContextVar[str] = ContextVar("asked_in", default="")


class Site:
    """A service on a free port of this machine; `api` can be swapped between tests.

    Each test has a number, which its pages send in a cookie: a page of the test before may still
    have a request on its way, and must not take an item of the next test's queue.
    """

    def __init__(self) -> None:
        self.api = documents.FakeApi()
        self.url = ""
        self.photograph = photograph("sienna")
        self.document: Any = {}
        self.test = 0

    async def get(self, path: str, params: Any = None, actor: str = "") -> Any:
        return await self._present_api().get(path, params, actor)

    async def post(self, path: str, body: Any, actor: str) -> Any:
        return await self._present_api().post(path, body, actor)

    def _present_api(self) -> documents.FakeApi:
        if _asked_in.get() not in ("", str(self.test)):
            raise NotFound("the test that asked is over")
        return self.api

    def app(self) -> FastAPI:
        app = FastAPI(docs_url=None)
        pages.install(app, self)

        @app.middleware("http")
        async def remember(request: Request, answer: RequestResponseEndpoint) -> Response:
            _asked_in.set(request.cookies.get("test", ""))
            return await answer(request)

        @app.get("/v1/predictions/{prediction}/payload")
        def payload(prediction: str) -> Response:
            headers = {"Cache-Control": "private, max-age=3600, immutable"}
            return Response(self.photograph, media_type="image/png", headers=headers)

        @app.get("/v1/documents")
        def document() -> Response:
            return JSONResponse(self.document)

        return app


def now() -> datetime:
    return datetime.now(UTC)


def queue(site: Site, *items: dict[str, Any], **settings: Any) -> documents.FakeApi:
    site.api = documents.FakeApi(list(items), clock=now)
    site.photograph = photograph("sienna")
    for name, value in settings.items():
        setattr(site.api, name, value)
    return site.api


def an_item(number: int, **changes: Any) -> dict[str, Any]:
    return documents.an_item(number, waiting_since=now().isoformat(), due_at=None) | changes


def ready(page: Page, item: str) -> None:
    """Wait until an item is on the page and takes answers."""
    page.wait_for_selector(f'#item[data-item="{item}"][data-ready]')


def strike(page: Page, keys: str) -> None:
    """Press keys faster than anybody can: the page does nothing else in between."""
    press = "new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true})"
    page.evaluate(
        f"keys => {{ for (const key of keys) document.activeElement.dispatchEvent({press}) }}", keys
    )


def decided(api: documents.FakeApi) -> list[tuple[str, str | None]]:
    return [(decision["item"], decision["label"]) for decision in api.decisions]
