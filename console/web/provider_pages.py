"""Leaving for an OpenID provider to log in there, and coming back."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from console.web.entrance import Door, Entrance, caller_address
from console.web.login_pages import LEAVE, LoginDesk
from console.web.visitor import local_address
from registry.domain.errors import Forbidden, NotFound, StagegateError

BACK = f"{LEAVE}/callback"
_PASS = "stagegate_login"  # noqa: S105 - the name of a cookie
_AWAY_SECONDS = 600


def add(pages: APIRouter, desk: LoginDesk, entrance: Entrance) -> None:
    """Add these pages; without a provider they say so."""
    way = Travel(desk, entrance.door, entrance) if entrance.door else None
    pages.add_api_route(LEAVE, way.leave if way else _nowhere, methods=["GET"])
    pages.add_api_route(BACK, way.come_back if way else _nowhere, methods=["GET"])


def _nowhere() -> Response:
    raise NotFound("no provider is set up to log in with; use the password on /login")


class Travel:
    """Sends browsers to the provider and receives them."""

    def __init__(self, desk: LoginDesk, door: Door, entrance: Entrance) -> None:
        self._desk = desk
        self._door = door
        self._entrance = entrance

    async def leave(self, request: Request, next: str = "/") -> Response:
        """To the provider; the browser keeps a pass until it is back."""
        back = local_address(next)
        try:
            url, kept = await run_in_threadpool(self._door.leave, self._address(request), back)
        except StagegateError as error:
            return self._desk.refuse(error, back)
        response = RedirectResponse(url, 303)
        response.set_cookie(
            _PASS,
            kept,
            max_age=_AWAY_SECONDS,
            path=LEAVE,
            secure=self._entrance.cookie.is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return response

    async def come_back(
        self, request: Request, code: str = "", state: str = "", error: str = ""
    ) -> Response:
        """From the provider, with its code or its reason not to give one."""
        kept = request.cookies.get(_PASS, "")
        address = caller_address(request)
        try:
            if error or not code:
                raise Forbidden(f"the provider let nobody in ({_word(error)}); try again")
            token, back = await run_in_threadpool(
                self._door.come_back, self._address(request), state, kept, code, address
            )
        except StagegateError as problem:
            response = self._desk.refuse(problem)
        else:
            response = await self._desk.welcome(request, token, local_address(back))
        response.delete_cookie(_PASS, path=LEAVE)
        return response

    def _address(self, request: Request) -> str:
        """Where the provider sends browsers back to; it has to know this very address."""
        return self._entrance.address(request, BACK)


def _word(error: str) -> str:
    """The provider's code for what is the matter, if it is one."""
    return error if re.fullmatch(r"[a-z_]{1,40}", error) else "without a reason"
