"""Errors as problem documents (RFC 9457), one shape for everything that goes wrong."""

import uuid
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette._utils import get_route_path  # the path that the router itself matches
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from registry.domain.errors import (
    StagegateError,
    TooManyAttempts,
    TooSlow,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
# Clients of the Open Inference Protocol look for the member `error`, and for nothing else.
INFERENCE_PROTOCOL = "/v2"
_log = structlog.get_logger()


def install(app: FastAPI) -> None:
    """Answer every error of the product, of validation and of routing as a problem document."""
    app.add_exception_handler(StagegateError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    for lost in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(lost, _away)
    app.add_exception_handler(Exception, _unexpected)


def document(status: int, title: str, detail: str, **extra: Any) -> dict[str, Any]:
    """The members of a problem document."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}


def answer(error: StagegateError, path: str) -> JSONResponse:
    """One of our own errors as the response to a request for this path."""
    extra = {key: value for key, value in vars(error).items() if not key.startswith("_")}
    said = document(error.status, error.title, str(error), **extra)
    return _answer(said, _headers(error), path)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StagegateError)  # noqa: S101 - tells the type checker what came
    return answer(error, request.url.path)


def _headers(error: StagegateError) -> dict[str, str]:
    """What tells a program how to go on."""
    match error:
        case TooManyAttempts():
            return {"Retry-After": str(error.retry_after)}
        case Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case TooSlow():
            return {"Connection": "close"}  # what is still to come of the body is not waited for
        case Unavailable():
            return {"Retry-After": "1"}
    return {}


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    fields = [
        {"field": ".".join(str(part) for part in one["loc"]), "expected": one["msg"]}
        for one in error.errors()
    ]
    detail = "; ".join(f"{one['field']}: {one['expected']}" for one in fields)
    said = document(422, "Invalid input", detail, errors=fields)
    return _answer(said, None, request.url.path)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    headers = dict(error.headers or {})
    if error.status_code == 405:  # the router names the methods of one route only
        headers["Allow"] = ", ".join(_methods(request))
    said = document(error.status_code, "Error", str(error.detail))
    return _answer(said, headers, request.url.path)


def _methods(request: Request) -> list[str]:
    """Every method of the first path that fits a request, as the router looks."""
    path = get_route_path(request.scope)
    known = [(one.path, one.methods or ()) for one in iter_route_contexts(request.app.routes)]
    fits = (p for p, methods in known if p and methods and compile_path(p)[0].match(path))
    first = next(fits, None)
    return sorted({method for p, methods in known if p == first for method in methods})


async def _gone(request: Request, _: Exception) -> JSONResponse:
    """The caller hung up before the body was whole: nobody hears this, and nothing went wrong."""
    said = document(400, "Incomplete", "the body ended before it was whole")
    return _answer(said, None, request.url.path)


async def _away(request: Request, error: Exception) -> JSONResponse:
    """The database cannot be reached, is full or too busy: nothing was stored, so try again."""
    _log.warning("database away", path=request.url.path, error=str(error).partition("\n")[0])
    return answer(
        Unavailable(
            "The database cannot be used just now, so nothing of this request was stored; try "
            "again shortly."
        ),
        request.url.path,
    )


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    incident = uuid.uuid4().hex[:12]
    _log.error("request failed", incident=incident, path=request.url.path, exc_info=error)
    detail = f"something went wrong here; the service's log has it as incident {incident}"
    said = document(500, "Internal error", detail, incident=incident)
    return _answer(said, None, request.url.path)


def _answer(body: dict[str, Any], headers: Any, path: str) -> JSONResponse:
    if path.startswith(INFERENCE_PROTOCOL):
        body["error"] = body["detail"]
    return JSONResponse(
        jsonable_encoder(body), body["status"], dict(headers or {}), media_type=MEDIA_TYPE
    )
