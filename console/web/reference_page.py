"""The reference of the HTTP interface at /docs, made from its OpenAPI document."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.web.render import Frame, Renderer
from console.web.views.reference import reference_page
from console.web.visitor import visitor


def add(pages: APIRouter, renderer: Renderer) -> None:
    """The one page."""

    @pages.get("/docs")
    def reference(request: Request) -> Response:
        view = reference_page(request.app.openapi(), str(request.base_url).rstrip("/"))
        frame = Frame("HTTP reference", "", visitor(request), "/docs")
        return renderer.page("reference.html", frame, view)
