"""Requests that this process sends to its own application, in the name of somebody it knows."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from registry.api.actor import SCOPE_KEY
from registry.domain.people import Identity


class ActingAs:
    """An application as whoever `identity` gives; as the request itself says where that is None."""

    def __init__(self, app: ASGIApp, identity: Callable[[], Identity | None]) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the identity where authentication finds it."""
        identity = self._identity()
        if identity is not None:
            scope[SCOPE_KEY] = identity
        await self._app(scope, receive, send)
