"""The one way in which the pages reach the product: its own HTTP contract."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from registry.api.actor import COOKIE
from registry.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    StagegateError,
    TooLarge,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    UnsupportedInput,
)

Document = Mapping[str, Any]

_ERRORS: dict[int, type[StagegateError]] = {
    error.status: error
    for error in (
        Invalid,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        UnsupportedInput,
        TooManyAttempts,
        Unavailable,
    )
}


class Api(Protocol):
    """Documents of the HTTP contract, fetched in somebody's name."""

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, actor: str = ""
    ) -> Document | None:
        """The document at a path, None for 204; raises the StagegateError that the status names."""

    async def post(self, path: str, body: Document, actor: str) -> Document:
        """Send a document, get one back; raises the StagegateError that the status names."""


class HttpApi:
    """Speaks the contract through an httpx client: over the network, or to the app in process.

    `HttpApi(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://stagegate"))`
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, actor: str = ""
    ) -> Document | None:
        """The document at a path, None for 204."""
        answer = await self._client.get(path, params=dict(params or {}), headers=_headers(actor))
        return _document(answer)

    async def post(self, path: str, body: Document, actor: str) -> Document:
        """Send a document, get one back."""
        answer = await self._client.post(path, json=dict(body), headers=_headers(actor))
        return _document(answer) or {}


def _headers(actor: str) -> dict[str, str]:
    # A header cannot carry every name that the cookie, which is percent-encoded, can.
    return {"Cookie": f"{COOKIE}={quote(actor)}"} if actor else {}


def _document(answer: httpx.Response) -> Document | None:
    if answer.is_success:
        return answer.json() if answer.content else None
    raise _ERRORS.get(answer.status_code, StagegateError)(_detail(answer))


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    detail = problem.get("detail") if isinstance(problem, dict) else None
    if isinstance(detail, str):
        return detail
    return f"{answer.request.url.path} answered {answer.status_code}; look at the service's log"
