"""Refusing requests that another site's page makes in a visitor's browser."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from console import problems

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class SameOrigin:
    """Lets a request that changes something pass only from our own pages or from no page.

    Browsers say where a request comes from (Fetch Metadata, Origin); programs say nothing and
    pass. Without this any page that a visitor opens could abort a rollout on their machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign page, pass on everything else."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and _is_foreign(scope):
            detail = "this request comes from another site's page; use stagegate's own pages"
            body = problems.document(403, "Forbidden", detail)
            refusal = JSONResponse(body, 403, media_type=problems.MEDIA_TYPE)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
