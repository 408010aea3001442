"""The page to log in on, and logging out."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from console.web.entrance import Entrance, caller_address
from console.web.render import Frame, Renderer
from console.web.visitor import local_address, same_origin
from registry.domain.errors import StagegateError, TooManyAttempts, Unauthenticated

LEAVE = "/login/provider"
_Text = Annotated[str, Form(max_length=2000)]


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The form, and what was wrong with the last attempt; a password is never put back into it."""

    next: str
    name: str = ""
    problem: str = ""
    provider: str = ""
    provider_url: str = ""


def add(pages: APIRouter, desk: "LoginDesk") -> None:
    """Add these pages to the router."""
    ours = [Depends(same_origin)]
    pages.add_api_route("/login", desk.look, methods=["GET"])
    pages.add_api_route("/login", desk.log_in, methods=["POST"], dependencies=ours)
    pages.add_api_route("/logout", desk.log_out, methods=["POST"], dependencies=ours)


def add_none(pages: APIRouter) -> None:
    """Where accounts are off nobody has to log in; the address leads on."""

    @pages.get("/login")
    def look(next: str = "/") -> Response:
        return RedirectResponse(local_address(next), 303)


class LoginDesk:
    """Shows the form, checks what it sends, and gives or takes the cookie."""

    def __init__(self, renderer: Renderer, entrance: Entrance) -> None:
        self._renderer = renderer
        self._logins = entrance.logins
        self._cookie = entrance.cookie
        self._provider = entrance.door.label if entrance.door else ""

    async def look(self, request: Request, next: str = "/") -> Response:
        """The form; whoever is logged in already is led on."""
        token, back = self._cookie.read(request), local_address(next)
        known = await run_in_threadpool(lambda: self._logins.of_session(token, used=True))
        return RedirectResponse(back, 303) if known else self._show(back)

    async def log_in(
        self, request: Request, name: _Text = "", password: _Text = "", next: _Text = "/"
    ) -> Response:
        """A new session, or the form again."""
        back, name = local_address(next), name.strip()
        address = caller_address(request)
        try:
            token = await run_in_threadpool(self._logins.log_in, name, password, address)
        except (Unauthenticated, TooManyAttempts) as error:
            return self.refuse(error, back, name)
        return await self.welcome(request, token, back)

    async def welcome(self, request: Request, token: str, back: str) -> Response:
        """Give the browser its session, and end the one that it had."""
        await self._end(request)
        response = RedirectResponse(back, 303)
        self._cookie.give(request, response, token)
        return response

    def refuse(self, error: StagegateError, back: str = "/", name: str = "") -> Response:
        """The form again, with what is the matter."""
        answer = self._show(back, name, _sentence(error), error.status)
        if isinstance(error, TooManyAttempts):
            answer.headers["Retry-After"] = str(error.retry_after)
        return answer

    async def log_out(self, request: Request) -> Response:
        """End the session here and in the database."""
        await self._end(request)
        response = RedirectResponse("/login", 303)
        self._cookie.take(request, response)
        return response

    async def _end(self, request: Request) -> None:
        token = self._cookie.read(request)
        if token:
            await run_in_threadpool(self._logins.log_out, token)

    def _show(self, back: str, name: str = "", problem: str = "", status: int = 200) -> Response:
        view = LoginPage(back, name, problem, self._provider, _leave(back))
        return self._renderer.page("login.html", Frame("Log in", "", "", "/"), view, status)


def _leave(back: str) -> str:
    """The way to the provider, which leads back here in the end."""
    return LEAVE if back == "/" else f"{LEAVE}?next={quote(back, safe='')}"


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[0].upper() + text[1:] + "."
