"""The reference of the HTTP interface at /docs, by Swagger UI from our own files."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.web.render import HEADERS, Frame, Renderer
from console.web.visitor import visitor

# Its style sheet holds small pictures as data.
_POLICY = HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data:")


def add(pages: APIRouter, renderer: Renderer) -> None:
    """The one page."""

    @pages.get("/docs")
    def reference(request: Request) -> Response:
        frame = Frame("HTTP reference", "", visitor(request), "/docs")
        page = renderer.page("reference.html", frame, None)
        page.headers["Content-Security-Policy"] = _POLICY
        return page
