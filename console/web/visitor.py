"""Who looks at a page, and whether a form really comes from one of our pages."""

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import Response

from console.same_origin import require_our_page
from registry.api.actor import COOKIE, actor
from registry.domain.errors import Forbidden, Invalid, Unauthenticated

_A_YEAR = 365 * 24 * 3600


def visitor(request: Request) -> str:
    """The visitor's name; empty while none was given, or one that cannot be used."""
    try:
        name = actor(request)
    except (Invalid, Unauthenticated):
        return ""
    return "" if name == "anonymous" else name


def named_visitor(request: Request) -> str:
    """The visitor's name; Forbidden without one, because an answer needs somebody who gave it."""
    name = visitor(request)
    if not name:
        raise Forbidden("say who you are first: open the review page and give your name")
    return name


def remember(response: Response, name: str, *, secure: bool) -> None:
    """Keep a name in the visitor's cookie."""
    response.set_cookie(
        COOKIE, quote(name), max_age=_A_YEAR, httponly=True, samesite="lax", secure=secure
    )


def same_origin(request: Request) -> None:
    """Refuse a form that another site, or nobody, says it sends."""
    require_our_page(request.headers)


def local_address(address: str) -> str:
    """An address on this site to go back to; the first page if it would lead elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:  # half an IPv6 address
        return "/"
    odd = parts.scheme or parts.netloc or "\\" in address or not address.startswith("/")
    return "/" if odd or address.startswith("//") else address
