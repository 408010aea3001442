"""All pages of the product as one router, over the product's own HTTP contract."""

from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from console.web import dashboards, review_pages
from console.web.api import Api
from console.web.assets import Assets
from console.web.render import Renderer, page_route

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def install(app: FastAPI, api: Api, clock: Clock = utc_now) -> None:
    """Add the pages to an application."""
    app.include_router(router(api, clock))


def router(api: Api, clock: Clock = utc_now) -> APIRouter:
    """The pages and their static files."""
    assets = Assets()
    renderer = Renderer(assets)
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
