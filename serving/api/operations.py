"""Whether the process lives, whether it is ready, and its metrics."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from serving.api.answer_schema import NOT_READY, TEXT
from serving.api.parts import Serving
from serving.api.review_people import queues_document

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def router(serving: Serving) -> APIRouter:
    """The routes for load balancers and Prometheus."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process answers; where several workers do, it says which one it is."""
        which = {} if serving.worker is None else {"worker": str(serving.worker)}
        return {"status": "alive", **which}

    @routes.get("/readyz", responses=NOT_READY)
    def ready() -> JSONResponse:
        """Database reachable and at the right revision, models loaded and warm."""
        problems = [*serving.check(), *serving.fleet.problems()]
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, status_code=503)
        warnings = serving.fleet.warnings()
        return JSONResponse({"status": "ready", **({"warnings": warnings} if warnings else {})})

    @routes.get("/metrics", response_class=Response, responses=TEXT)
    def metrics() -> Response:
        """The metrics as Prometheus reads them."""
        now = serving.clock()
        stats = serving.ledger.read(lambda unit: unit.reviews.stats(now))
        serving.measurements.queue(stats)
        serving.measurements.queues(queues_document(serving)["queues"])
        return Response(serving.render_metrics(), headers={"Content-Type": _PROMETHEUS})

    return routes
