"""Refusing requests that another site's page makes in a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from console import problems
from registry.domain.errors import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class SameOrigin:
    """Lets a request that changes something pass only from our own pages or from no page.

    Browsers say where a request comes from (Fetch Metadata, Origin); programs say nothing and
    pass. Without this any page that a visitor opens could abort a rollout on their machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign page, pass on everything else."""
        changes = scope["type"] == "http" and scope["method"] not in SAFE
        if changes and is_foreign(Headers(scope=scope)):
            error = Forbidden("this request comes from another site's page; use stagegate's own")
            await problems.answer(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site's page sends this."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    return origin is not None and host_of(origin) != headers.get("host")


def host_of(address: str) -> str | None:
    """The host and port of an address; None if it is no address."""
    try:
        return urlsplit(address).netloc
    except ValueError:  # half an IPv6 address
        return None


def require_our_page(headers: Headers) -> None:
    """Forbidden unless a browser says that one of our own pages sends this."""
    origin = headers.get("origin")
    if origin is None and headers.get("sec-fetch-site") != "same-origin":
        raise Forbidden("the form does not say where it comes from; send it from the page itself")
    if is_foreign(headers):
        raise Forbidden(f"the form comes from {origin}, which is not this service")
