"""From a view model to a page: one template, escaped, under a strict security policy."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from markupsafe import Markup, escape

from console import visit
from console.web.assets import Assets
from console.web.visitor import visitor
from registry.domain.errors import Invalid, StagegateError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": forms would then say that they come from "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_COMMAND = re.compile("`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a page: its title, its place in the menu, who looks, where it is."""

    title: str
    section: str
    actor: str
    path: str
    model: str = ""
    tab: str = ""
    alone: bool = False  # one file that needs nothing else


class Renderer:
    """Fills the templates; they see the frame, one view model and the addresses of the assets."""

    def __init__(self, assets: Assets) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["with_code"] = with_code
        self._templates.globals["asset"] = assets.url
        self._templates.globals["revision"] = assets.revision
        self._templates.globals["source"] = assets.text
        self._templates.globals["visit"] = visit.present

    def page(self, template: str, frame: Frame, view: object, status: int = 200) -> Response:
        """A whole page, or the part of one that a template without a frame makes."""
        html = self._templates.get_template(template).render(frame=frame, view=view)
        return HTMLResponse(html, status, HEADERS)

    def error(self, request: Request, error: StagegateError) -> Response:
        """What went wrong, as a page; as one plain sentence for a script's request."""
        if request.headers.get("hx-request"):
            return PlainTextResponse(str(error), error.status, HEADERS)
        frame = Frame(error.title, "", visitor(request), "/")
        return self.page("error.html", frame, error, error.status)


def with_code(sentence: str) -> Markup:
    """A sentence whose commands, between backticks, stand in the type of commands.

    >>> with_code("`stagegate up` runs <it>")
    Markup('<code>stagegate up</code> runs &lt;it&gt;')
    """
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - escaped


Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_route(renderer: Renderer) -> type[APIRoute]:
    """A kind of route whose errors are pages for people, not problem documents."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def with_error_pages(request: Request) -> Response:
                try:
                    return await handle(request)
                except StagegateError as error:
                    return renderer.error(request, error)
                except RequestValidationError as error:
                    wrong = ", ".join(str(each["loc"][-1]) for each in error.errors())
                    return renderer.error(request, Invalid(f"the form is not complete: {wrong}"))

            return with_error_pages

    return PageRoute
