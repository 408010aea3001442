"""Who sends a request, and whether they may: looked at before its body is."""

from dataclasses import dataclass
from urllib.parse import unquote

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from console.access import Door, Doors
from console.accounts import Accounts
from console.csrf import check_csrf
from console.owner import Owner
from console.refusal import ErrorPage, refusal
from console.same_origin import SAFE
from console.session_cookie import SessionCookie
from console.visit import Visit, begin, visiting
from registry.adapters.tokens import API_KEY_START, csrf_token, prefix, same
from registry.api.actor import HEADER, SCOPE_KEY
from registry.domain.errors import Forbidden, StagegateError, Unauthenticated
from registry.domain.people import Identity


@dataclass(frozen=True, slots=True)
class Gate:
    """What authentication needs; `owner` has a key that is in no database."""

    accounts: Accounts
    cookie: SessionCookie
    error_page: ErrorPage
    owner: Owner | None = None


class Authentication:
    """Lets a request pass to the application only with an identity that may use its route.

    The identity comes from an API key or from a session's cookie; a request that the application
    makes to itself brings the one that it already has.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate
        self._doors: Doors | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the identity in the scope, or refuse."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":  # there is no other: a web socket gets no answer
                await self._app(scope, receive, send)
            return
        with visiting():
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = self._find(scope)
        request = Request(scope, receive)
        try:
            receive = await self._admit(request, door)
        except StagegateError as error:
            answer = refusal(request, error, door is not None and door.is_page)
            await (answer or self._gate.error_page(request, error))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _find(self, scope: Scope) -> Door | None:
        if self._doors is None:
            self._doors = Doors(scope["app"].routes)
        return self._doors.find(scope)

    async def _admit(self, request: Request, door: Door | None) -> Receive:
        """Put the identity where the application looks; gives the body that is still to be read."""
        if door is not None and door.is_open:
            _enter(request, Visit(accounts=True))
            return request.receive
        visit = await self._visit(request)
        _enter(request, visit)
        _check_claim(request, visit)
        if door is not None:
            _authorise(door, visit)
        if visit.csrf and request.method not in SAFE:
            return await check_csrf(request, visit.csrf)
        return request.receive

    async def _visit(self, request: Request) -> Visit:
        known = request.scope.get(SCOPE_KEY)
        if isinstance(known, Identity):  # nothing from outside gets into a scope
            return Visit(accounts=True, identity=known)
        visit = await self._by_key(request) or await self._by_session(request)
        if visit is None:
            raise Unauthenticated
        return visit

    async def _by_key(self, request: Request) -> Visit | None:
        identity = await of_key(self._gate.accounts, self._gate.owner, request)
        return Visit(accounts=True, identity=identity) if identity else None

    async def _by_session(self, request: Request) -> Visit | None:
        token = self._gate.cookie.read(request)
        if not token:
            return None
        # An open page asks again and again; that alone must not keep a session alive.
        used = request.method not in SAFE or "hx-request" not in request.headers
        identity = await run_sync(lambda: self._gate.accounts.of_session(token, used=used))
        if identity is None:
            return None
        return Visit(accounts=True, identity=identity, csrf=csrf_token(token))


async def of_key(accounts: Accounts, owner: Owner | None, request: Request) -> Identity | None:
    """Who a request's API key is; None without one, Unauthenticated for one that is not good."""
    given = request.headers.get("authorization")
    if given is None:
        return None
    scheme, _, key = given.partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(API_KEY_START):
        raise Unauthenticated("the header Authorization must be `Bearer sgk_...`, an API key")
    if owner is not None and same(owner.key, key):
        return owner.identity
    identity = await run_sync(accounts.of_key, key)
    if identity is None:
        raise Unauthenticated(
            f"the key {prefix(key)}... is unknown, revoked or expired, or its person is "
            "disabled; ask an admin for a new one"
        )
    return identity


def _enter(request: Request, visit: Visit) -> None:
    request.scope[SCOPE_KEY] = visit.identity
    begin(visit)


def _check_claim(request: Request, visit: Visit) -> None:
    """Forbidden if the request says that somebody else acts."""
    claimed = request.headers.get(HEADER)
    name = visit.identity.name if visit.identity else ""
    if claimed is not None and name not in {claimed, unquote(claimed)}:
        raise Forbidden(
            f"you are {name}, not {claimed!r}: with accounts on, {HEADER} (STAGEGATE_ACTOR) may "
            "only repeat who you are; leave it out"
        )


def _authorise(door: Door, visit: Visit) -> None:
    """Forbidden unless the table lets this role through this door."""
    if not door.has_rule:
        raise Forbidden(f"no rule says who may use {door.name}; add it to console/access.py")
    identity = visit.identity
    if identity is None or (door.rule and not door.rule.admits(identity)):
        raise Forbidden(
            f"{door.name} needs {door.rule}, and you are {_described(identity)}; an admin can "
            "change that with `stagegate user change`"
        )


def _described(identity: Identity | None) -> str:
    if identity is None:
        return "nobody"
    return f"{identity.name}, {identity.role}" + (", lead" if identity.lead else "")
