"""One's own account: who one is here, a new password, and logging out everywhere."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from console.web.api import Api, Document
from console.web.entrance import Entrance, caller_address
from console.web.login_pages import LoginDesk
from console.web.render import Frame, Renderer
from console.web.visitor import named_visitor, same_origin
from registry.domain.errors import Forbidden, Invalid, StagegateError, TooManyAttempts

Text = Annotated[str, Form(max_length=2000)]
Person = Annotated[str, Depends(named_visitor)]


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Who somebody is, and what became of the last change; passwords are never put back.

    provider: where they log in who have no password here; empty for all others.
    """

    name: str
    role: str
    provider: str = ""
    problem: str = ""
    changed: bool = False


def add(pages: APIRouter, desk: "AccountDesk") -> None:
    """Add these pages to the router."""
    ours = [Depends(same_origin)]
    pages.add_api_route("/account", desk.look, methods=["GET"])
    pages.add_api_route("/account/password", desk.change, methods=["POST"], dependencies=ours)
    pages.add_api_route("/account/logout", desk.log_out, methods=["POST"], dependencies=ours)


class AccountDesk:
    """Shows the page and carries out what its forms ask for."""

    def __init__(self, renderer: Renderer, entrance: Entrance, api: Api, logins: LoginDesk) -> None:
        self._renderer = renderer
        self._entrance = entrance
        self._api = api
        self._logins = logins

    async def look(self, person: Person, changed: bool = False) -> Response:
        """The page; `changed`: the password has just been changed."""
        return await self._show(person, changed=changed)

    async def change(
        self,
        request: Request,
        person: Person,
        present: Text = "",
        password: Text = "",
        again: Text = "",
    ) -> Response:
        """Set the new password and log this browser in again; all others are out."""
        if password != again:
            return await self._show(person, "You did not write the same new password twice.", 422)
        try:
            body = {"present": present, "password": password}
            await self._api.post("/v1/me:password", body, person)
        except (Invalid, Forbidden, TooManyAttempts) as error:
            return await self._show(person, _sentence(error), error.status)
        log_in, address = self._entrance.logins.log_in, caller_address(request)
        token = await run_in_threadpool(log_in, person, password, address)
        response = RedirectResponse("/account?changed=true", 303)
        self._entrance.cookie.give(request, response, token)
        return response

    async def log_out(self, request: Request, person: Person) -> Response:
        """End every login, this one too."""
        await self._api.post("/v1/me:logout", {}, person)
        return await self._logins.log_out(request)

    async def _show(
        self, person: str, problem: str = "", status: int = 200, *, changed: bool = False
    ) -> Response:
        me = await self._api.get("/v1/me", actor=person) or {}
        role = str(me.get("role") or "") + (", lead" if me.get("lead") else "")
        view = AccountPage(person, role, self._provider(me), problem, changed)
        return self._renderer.page("account.html", Frame("Account", "", person, "/"), view, status)

    def _provider(self, me: Document) -> str:
        """Where they log in who have no password here."""
        door = self._entrance.door
        return "" if me.get("has_password") or door is None else door.label


def _sentence(error: StagegateError) -> str:
    text = str(error)
    return text[0].upper() + text[1:] + "."
