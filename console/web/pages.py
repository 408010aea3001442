"""All pages of the product as one router, over the product's own HTTP contract."""

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from console.web import (
    account_pages,
    dashboards,
    login_pages,
    provider_pages,
    reference_page,
    review_pages,
)
from console.web.account_pages import AccountDesk
from console.web.api import Api
from console.web.assets import Assets
from console.web.entrance import Entrance
from console.web.login_pages import LoginDesk
from console.web.render import Renderer, page_route

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def install(
    app: FastAPI, api: Api, clock: Clock = utc_now, entrance: Entrance | None = None
) -> Renderer:
    """Add the pages to an application; gives what makes pages, for errors outside of them.

    Without an entrance the visitor's word says who they are.
    """
    assets = Assets()
    renderer = Renderer(assets)
    pages = _router(assets, renderer, api, clock)
    if entrance:
        desk = LoginDesk(renderer, entrance)
        login_pages.add(pages, desk)
        account_pages.add(pages, AccountDesk(renderer, entrance, api, desk))
        provider_pages.add(pages, desk, entrance)
    else:
        login_pages.add_none(pages)
        review_pages.add_name(pages)
    app.include_router(pages)
    return renderer


def _router(assets: Assets, renderer: Renderer, api: Api, clock: Clock) -> APIRouter:
    route_class = page_route(renderer)
    pages = APIRouter(route_class=route_class, include_in_schema=False)
    review_pages.add(pages, api, renderer, clock)
    dashboards.add(pages, api, renderer, clock)
    reference_page.add(pages, renderer)

    @pages.get("/static/{name:path}")
    def static(name: str) -> Response:
        asset = assets.get(name)
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return pages
