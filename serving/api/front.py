"""A FastAPI application with one route that is answered before it.

What FastAPI does around a handler (matching, dependencies, exit stacks, several layers that look
out for errors) costs more than a small model. So the route that takes nearly all requests is tried
first, as plain ASGI, behind the same middleware; FastAPI still documents it, and still answers
whatever the quick look at the path does not recognise, by the same function.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.quick import QuickRequest

Handler = Callable[[str, Request], Awaitable[Response]]
"""Answers a request about a model."""


class Front(FastAPI):
    """FastAPI behind one plain route, POST `before`MODEL`after`, named by `answer_first`."""

    _first: ASGIApp | None = None
    _around = ("", "")

    def answer_first(self, before: str, after: str, handler: Handler) -> None:
        """Answer these requests by the handler; one more such route would replace the first."""
        self._first = _Plain(handler, self.answer_error, before, after)
        self._around = (before, after)

    async def answer_error(self, request: Request, error: Exception) -> Response:
        """As the application's own handlers answer an error; raises what none of them takes."""
        for kind in type(error).__mro__:
            handler: Any = self.exception_handlers.get(kind)
            if handler is not None:
                response: Response = await handler(request, error)
                return response
        raise error

    def build_middleware_stack(self) -> ASGIApp:
        """The usual stack, and beside it the same middleware around the plain route."""
        rest, first = super().build_middleware_stack(), self._first
        if first is None:
            return rest
        for middleware in reversed(self.user_middleware):
            first = middleware.cls(first, *middleware.args, **middleware.kwargs)
        return _Fork(self._around, _Guarded(first, self.answer_error), rest)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the plain route at once, if it is the one."""
        stack = self.middleware_stack
        if isinstance(stack, _Fork) and stack.takes(scope):
            scope["app"] = self
            await stack.first(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


class _Fork:
    """Sends what the plain route takes there, and everything else on."""

    def __init__(self, around: tuple[str, str], first: ASGIApp, rest: ASGIApp) -> None:
        self._before, self._after = around
        self.first, self._rest = first, rest

    def takes(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            return False
        path: str = scope["path"]
        if not (path.startswith(self._before) and path.endswith(self._after)):
            return False
        model = path[len(self._before) : -len(self._after)]
        return bool(model) and "/" not in model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.first if self.takes(scope) else self._rest)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Route:
    """What a trace names the request by, as after FastAPI's own matching."""

    path: str


class _Plain:
    """The route itself."""

    def __init__(self, handler: Handler, refuse: Any, before: str, after: str) -> None:
        self._handler, self._refuse = handler, refuse
        self._before, self._after = len(before), len(after)
        self._route = _Route(f"{before}{{model}}{after}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route
        request = QuickRequest(scope, receive)
        try:
            response = await self._handler(scope["path"][self._before : -self._after], request)
        except Exception as error:  # noqa: BLE001 - answered as any other error is
            response = await self._refuse(request, error)
        await response(scope, receive, send)


class _Guarded:
    """Answers what goes wrong in the middleware, where nothing has been sent yet."""

    def __init__(self, app: ASGIApp, refuse: Any) -> None:
        self._app, self._refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            await (await self._refuse(Request(scope), error))(scope, receive, send)
