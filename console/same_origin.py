"""Refusing requests that another site's page makes in a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from console import problems
from console.hosts import Hosts
from registry.domain.errors import Forbidden

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class SameOrigin:
    """Lets a request that changes something pass only from our own pages or from no page.

    Browsers say where a request comes from (Fetch Metadata, Origin); programs say nothing and
    pass. Without this any page that a visitor opens could abort a rollout on their machine. With
    `hosts` no site can pass by having its own name lead here: without accounts there is no cookie
    that its pages would lack.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign page, pass on everything else."""
        try:
            if scope["type"] == "http":
                self._check(scope["method"], Headers(scope=scope))
        except Forbidden as error:
            await problems.answer(error, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, method: str, headers: Headers) -> None:
        if self._hosts is not None:
            self._hosts.check(headers.get("host"))
        if method not in SAFE and is_foreign(headers):
            raise Forbidden("this request comes from another site's page; use stagegate's own")


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
