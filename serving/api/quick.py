"""Requests and answers of the hot route, without what it does not need."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode


class QuickHeaders(Headers):
    """Headers that are put in order once, however often they are asked for."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._first = dict(reversed(raw))  # of several with one name the first counts

    def __getitem__(self, key: str) -> str:
        """The first header of this name."""
        return self._first[key.lower().encode("latin-1")].decode("latin-1")


class QuickRequest(Request):
    """A request with quick headers."""

    @property
    def headers(self) -> Headers:
        """The headers."""
        if not hasattr(self, "_headers"):
            self._headers: Headers = QuickHeaders(self.scope["headers"])
        return self._headers


class Json(Response):
    """A document as JSON; it holds no number that JSON cannot write."""

    media_type = "application/json"

    def __init__(
        self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:
        """The document's bytes."""
        return _encode(content)
