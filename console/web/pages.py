"""All pages of the product as one router, over the product's own HTTP contract."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from console.session_cookie import SessionCookie
from console.web import dashboards, login_pages, review_pages
from console.web.api import Api
from console.web.assets import Assets
from console.web.login_pages import Logins
from console.web.render import Renderer, page_route
from registry.domain.login import Lasting

Clock = Callable[[], datetime]
_NO_COOKIE = SessionCookie(Lasting(timedelta(0), timedelta(0)))


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def install(
    app: FastAPI,
    api: Api,
    clock: Clock = utc_now,
    logins: Logins | None = None,
    cookie: SessionCookie = _NO_COOKIE,
) -> Renderer:
    """Add the pages to an application; gives what makes pages, for errors outside of them.

    Without logins the visitor's word says who they are.
    """
    assets = Assets()
    renderer = Renderer(assets)
    pages = _router(assets, renderer, api, clock)
    login_pages.add(pages, renderer, logins, cookie)
    app.include_router(pages)
    return renderer


def _router(assets: Assets, renderer: Renderer, api: Api, clock: Clock) -> APIRouter:
    route_class = page_route(renderer)
    pages = APIRouter(route_class=route_class, include_in_schema=False)
    review_pages.add(pages, api, renderer, clock)
    dashboards.add(pages, api, renderer, clock)

    @pages.get("/static/{name:path}")
    def static(name: str) -> Response:
        asset = assets.get(name)
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return pages
