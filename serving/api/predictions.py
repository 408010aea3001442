"""What became of a request: its answer, its events, its input, and giving up on it."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from serving.adapters.payloads import UNKNOWN
from serving.api import shapes
from serving.api.answer_schema import EVENTS, GIVEN_UP, PAYLOAD, SHOWN
from serving.api.parts import Serving
from serving.api.predict import MAX_WAIT_SECONDS
from serving.api.text import Name
from serving.domain.prediction import Status
from serving.services.settle import cancel
from serving.services.wait import follow, look, wait_for

Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait")]


def router(serving: Serving) -> APIRouter:
    """The routes of single predictions."""
    routes = APIRouter(prefix="/v1/predictions", tags=["predictions"])

    @routes.get("/{prediction_id}", responses=SHOWN)
    async def show(request: Request, prediction_id: Name, wait: Wait = 0) -> JSONResponse:
        """The answer, or the state of a held request; `wait` stays until it is answered."""
        waiting = wait_for(serving.ledger, serving.arrivals, prediction_id, wait)
        found = await serving.callers.unless_gone(request, waiting)
        held = found.status is Status.HELD
        after = {"Retry-After": str(shapes.retry_after(found, serving.clock()))} if held else {}
        return JSONResponse(shapes.prediction(found), headers=after)

    @routes.get("/{prediction_id}/events", response_class=StreamingResponse, responses=EVENTS)
    async def events(prediction_id: Name) -> StreamingResponse:
        """Server-sent events named held, final or cancelled; the stream ends with the answer."""
        await look(serving.ledger, prediction_id)  # a 404 must come before the stream begins
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            _events(serving, prediction_id), media_type="text/event-stream", headers=headers
        )

    @routes.get("/{prediction_id}/payload", response_class=Response, responses=PAYLOAD)
    async def payload(prediction_id: Name) -> Response:
        """The input as it was sent; nothing in it can run in a browser."""
        found = await look(serving.ledger, prediction_id)
        data = await serving.input(found.payload_digest)
        return Response(data, headers=safe_headers(found.id, found.payload_type))

    @routes.delete("/{prediction_id}", responses=GIVEN_UP)
    async def give_up(prediction_id: Name) -> dict[str, Any]:
        """Cancel a held request."""
        now = serving.clock()
        found = await serving.write(lambda unit: cancel(unit, prediction_id, now))
        serving.measurements.settled(found)
        serving.arrivals.announce(prediction_id)
        return shapes.prediction(found)

    return routes


async def _events(serving: Serving, prediction_id: str) -> AsyncIterator[str]:
    async for found in follow(serving.ledger, serving.arrivals, prediction_id):
        data = json.dumps(shapes.prediction(found))
        yield f"event: {found.status.value}\nid: {found.id}\ndata: {data}\n\n"


def safe_headers(name: str, kind: str) -> dict[str, str]:
    """Headers under which nothing in a stored input can run in a browser."""
    place = "attachment" if kind == UNKNOWN else "inline"
    return {
        "Content-Type": kind,
        "Content-Disposition": f'{place}; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=3600, immutable",
    }
