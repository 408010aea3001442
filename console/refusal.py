"""How a request that may not pass is answered: a problem document, or the way to the login."""

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from console import problems
from console.same_origin import SAFE, host_of
from registry.domain.errors import StagegateError, Unauthenticated

ErrorPage = Callable[[Request, StagegateError], Response]
LOGIN = "/login"


def refusal(request: Request, error: StagegateError, is_page: bool) -> Response | None:
    """The answer to a person's browser or to a program; None where a page should say it."""
    by_script = "hx-request" in request.headers
    if isinstance(error, Unauthenticated) and by_script:
        # htmx follows this header with the whole window, whatever the status.
        headers = {"HX-Redirect": login_address(_shown(request, "hx-current-url"))}
        return PlainTextResponse(str(error), error.status, headers)
    if isinstance(error, Unauthenticated) and (is_page or _wants_page(request)):
        return RedirectResponse(login_address(_place(request)), 303)
    return None if is_page else problems.answer(error, request.url.path)


def login_address(back: str) -> str:
    """The page to log in on, which leads back afterwards."""
    return LOGIN if back == "/" else f"{LOGIN}?{urlencode({'next': back})}"


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _place(request: Request) -> str:
    """Where somebody was: at this address, or on the page whose form this is."""
    if request.method not in SAFE:
        return _shown(request, "referer")
    return _local(request.url.path, request.url.query)


def _shown(request: Request, header: str) -> str:
    """The page that a browser says it shows, if it is one of ours."""
    address = request.headers.get(header, "")
    if host_of(address) != request.headers.get("host"):
        return "/"
    parts = urlsplit(address)
    return _local(parts.path, parts.query)


def _local(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")
