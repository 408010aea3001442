"""Asking a model: POST /v1/models/{model}/predict."""

import re
from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from serving.adapters.payloads import ROW, media_type
from serving.api import shapes
from serving.api.answer_schema import ASKED, BYTES
from serving.api.body import content_type, read_attributes, read_input, read_rows, wants_review
from serving.api.front import Front
from serving.api.header_schema import ASKING, REVIEWED
from serving.api.idempotency import idempotency_key
from serving.api.parts import Serving
from serving.api.quick import Json
from serving.api.rows import ask_rows
from serving.api.text import Name, checked_name
from serving.domain.prediction import Prediction, Status
from serving.services.predict import PredictCommand, predict
from serving.services.wait import wait_for

MAX_WAIT_SECONDS = 120.0
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})")
_BODY = {
    "parameters": [*ASKING, REVIEWED],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "title": "Rows",
                    "type": "object",
                    "properties": {
                        "inputs": {"type": "array", "items": {"type": "object"}},
                        "attributes": {"type": "object"},
                    },
                    "required": ["inputs"],
                }
            },
            "application/octet-stream": BYTES,
            "image/*": BYTES,
            "multipart/form-data": {
                "schema": {
                    "title": "Upload",
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    },
}


def router(serving: Serving) -> APIRouter:
    """The route that answers requests."""
    routes = APIRouter(tags=["predict"])

    @routes.post("/v1/models/{model}/predict", openapi_extra=_BODY, responses=ASKED)
    async def ask(model: Name, request: Request) -> Response:
        """Answer with the version that the rollout assigns, or hold the request for a person."""
        return await answer(serving, model, request)

    return routes


def install(app: Front, serving: Serving) -> None:
    """Answer this route before the application's others; the router still documents it."""
    app.answer_first("/v1/models/", "/predict", partial(answer, serving))


async def answer(serving: Serving, model: str, request: Request) -> Response:
    """The answer to one request, however it got here."""
    checked_name(model)
    seconds = preferred_wait(request)
    if content_type(request) == ROW:
        return await _ask_rows(model, request, serving, seconds)
    payload = await read_input(request, serving.max_upload_bytes)
    command = PredictCommand(
        model=model,
        payload=payload,
        payload_type=media_type(payload),
        attributes=read_attributes(request),
        idempotency_key=idempotency_key(request),
        waiting=seconds > 0,
        wants_review=wants_review(request),
    )
    found = await serving.callers.unless_gone(request, _answered(command, serving, seconds))
    return respond(found, serving, seconds)


async def _answered(command: PredictCommand, serving: Serving, seconds: float) -> Prediction:
    found = await predict(command, serving.predicting)
    if found.status is Status.HELD and seconds:
        found = await wait_for(serving.ledger, serving.arrivals, found.id, seconds)
    return found


async def _ask_rows(model: str, request: Request, serving: Serving, seconds: float) -> Response:
    rows, attributes = await read_rows(request, serving.max_upload_bytes)
    key, asked = idempotency_key(request), wants_review(request)
    work = ask_rows(serving, model, rows, attributes, seconds, key, wants_review=asked)
    found = await serving.callers.unless_gone(request, work)
    return (
        respond(found[0], serving, seconds) if len(found) == 1 else respond_to_rows(found, seconds)
    )


def respond_to_rows(found: Sequence[Prediction], waited: float) -> Response:
    """All of them in order; 202 as long as any of them is held for a person."""
    held = any(one.status is Status.HELD for one in found)
    return Json(
        {"predictions": [shapes.prediction(one) for one in found]},
        status_code=202 if held else 200,
        headers={"Preference-Applied": f"wait={waited:g}"} if waited else {},
    )


def respond(found: Prediction, serving: Serving, waited: float) -> Response:
    """200 with the answer, or 202 with where to ask for it."""
    applied = {"Preference-Applied": f"wait={waited:g}"} if waited else {}
    if found.status is not Status.HELD:
        return Json(shapes.prediction(found), headers=applied or None)
    headers = {
        "Location": f"/v1/predictions/{found.id}",
        "Retry-After": str(shapes.retry_after(found, serving.clock())),
        **applied,
    }
    return Json(shapes.prediction(found), status_code=202, headers=headers)


def preferred_wait(request: Request) -> float:
    """Seconds in `Prefer: wait=…` (RFC 7240), at most two minutes; 0 without it."""
    preference = request.headers.get("prefer")
    found = _WAIT.search(preference) if preference else None
    return min(float(found[1]), MAX_WAIT_SECONDS) if found else 0.0
