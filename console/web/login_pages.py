"""The page to log in on, and logging out."""

from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from console.session_cookie import SessionCookie
from console.web.render import Frame, Renderer
from console.web.visitor import local_address, same_origin
from registry.domain.errors import TooManyAttempts, Unauthenticated
from registry.domain.people import Identity

_Text = Annotated[str, Form(max_length=2000)]


class Logins(Protocol):
    """What the page asks of the accounts."""

    def log_in(self, name: str, password: str, address: str) -> str:
        """The token of a new session; Unauthenticated or TooManyAttempts."""

    def log_out(self, token: str) -> None:
        """End a session."""

    def of_session(self, token: str, *, used: bool) -> Identity | None:
        """Whose session it is."""


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The form, and what was wrong with the last attempt; a password is never put back into it."""

    next: str
    name: str = ""
    problem: str = ""


def add(pages: APIRouter, renderer: Renderer, logins: Logins | None, cookie: SessionCookie) -> None:
    """Add these pages to the router; without accounts they lead back."""
    desk = LoginDesk(renderer, logins, cookie) if logins else NoDesk()
    ours = [Depends(same_origin)]
    pages.add_api_route("/login", desk.look, methods=["GET"])
    pages.add_api_route("/login", desk.log_in, methods=["POST"], dependencies=ours)
    pages.add_api_route("/logout", desk.log_out, methods=["POST"], dependencies=ours)


class NoDesk:
    """Where accounts are off nobody logs in."""

    def look(self, next: str = "/") -> Response:
        """Lead on at once."""
        return RedirectResponse(local_address(next), 303)

    def log_in(self, next: _Text = "/") -> Response:
        """Lead on at once."""
        return RedirectResponse(local_address(next), 303)

    def log_out(self) -> Response:
        """There is nothing to end."""
        return RedirectResponse("/", 303)


class LoginDesk:
    """Shows the form, checks what it sends, and gives or takes the cookie."""

    def __init__(self, renderer: Renderer, logins: Logins, cookie: SessionCookie) -> None:
        self._renderer = renderer
        self._logins = logins
        self._cookie = cookie

    async def look(self, request: Request, next: str = "/") -> Response:
        """The form; whoever is logged in already is led on."""
        token, back = self._cookie.read(request), local_address(next)
        known = await run_in_threadpool(lambda: self._logins.of_session(token, used=True))
        return RedirectResponse(back, 303) if known else self._show(LoginPage(back))

    async def log_in(
        self,
        request: Request,
        name: _Text = "",
        password: _Text = "",
        next: _Text = "/",
    ) -> Response:
        """A new session, under a new token whatever cookie the browser had before."""
        back, name = local_address(next), name.strip()
        address = request.client.host if request.client else ""
        try:
            token = await run_in_threadpool(self._logins.log_in, name, password, address)
        except (Unauthenticated, TooManyAttempts) as error:
            answer = self._show(LoginPage(back, name, _sentence(error)), error.status)
            if isinstance(error, TooManyAttempts):
                answer.headers["Retry-After"] = str(error.retry_after)
            return answer
        await self._end(request)
        response = RedirectResponse(back, 303)
        self._cookie.give(request, response, token)
        return response

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

    def _show(self, view: LoginPage, status: int = 200) -> Response:
        return self._renderer.page("login.html", Frame("Log in", "", "", "/"), view, status)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[0].upper() + text[1:] + "."
