"""Whether the process lives, whether it is ready, and its metrics."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from serving.api.answer_schema import METRICS, NOT_READY
from serving.api.parts import Serving
from serving.api.review_people import queues_document


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

    @routes.get("/metrics", response_class=Response, responses=METRICS)
    def metrics(request: Request) -> Response:
        """The metrics as Prometheus reads them; as OpenMetrics, with exemplars, if it says so."""
        now = serving.clock()
        stats = serving.ledger.read(lambda unit: unit.reviews.stats(now))
        serving.measurements.queue(stats)
        serving.measurements.queues(queues_document(serving)["queues"])
        body, kind = serving.render_metrics(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": kind})

    return routes
