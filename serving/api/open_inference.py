"""The Open Inference Protocol, version 2, over REST: what tritonclient and KServe speak."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from registry.domain.errors import StagegateError
from serving.api.answer_schema import BYTES, INFER_BODY, INFERRED, NOT_READY, NOT_ROUTED
from serving.api.body import read_body
from serving.api.header_schema import ASKING
from serving.api.inference import Inference
from serving.api.packed import unpacked
from serving.api.parts import Serving
from serving.api.tensors import HEADER, InferRequest, Tensor, read_request, write_answer
from serving.api.text import Name, VersionNumber

_BINARY = "application/octet-stream"
_MODEL, _VERSION = "/models/{model}", "/models/{model}/versions/{version}"
_BODY = {
    "parameters": ASKING,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": INFER_BODY}, _BINARY: BYTES},
    },
}


def router(serving: Serving) -> APIRouter:
    """The routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["open inference protocol"])
    api = _Api(serving)
    routes.add_api_route("", api.server, methods=["GET"])
    routes.add_api_route("/health/live", api.live, methods=["GET"])
    routes.add_api_route("/health/ready", api.ready, methods=["GET"], responses=NOT_READY)
    for place, described, ready in (
        (_MODEL, api.model, api.model_ready),
        (_VERSION, api.version, api.version_ready),
    ):
        routes.add_api_route(place, described, methods=["GET"])
        routes.add_api_route(place + "/ready", ready, methods=["GET"], responses=NOT_ROUTED)
    for place, infer in ((_MODEL, api.infer), (_VERSION, api.infer_version)):
        routes.add_api_route(
            place + "/infer",
            infer,
            methods=["POST"],
            openapi_extra=_BODY,
            response_class=Response,
            responses=INFERRED,
        )
    return routes


class _Api:
    def __init__(self, serving: Serving) -> None:
        self._limit = serving.max_upload_bytes
        self._inference = Inference(serving)
        self._callers = serving.callers

    def server(self) -> dict[str, Any]:
        """What this server is."""
        return self._inference.server()

    def live(self) -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    def ready(self) -> Response:
        """Every route has the versions that it needs."""
        ready = self._inference.is_ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    def model(self, model: Name) -> Response:
        """The inputs and outputs of a model."""
        return self._described(model, None)

    def version(self, model: Name, version: VersionNumber) -> Response:
        """The inputs and outputs of a version."""
        return self._described(model, version)

    def _described(self, model: str, version: int | None) -> Response:
        try:
            return JSONResponse(self._inference.metadata(model, version))
        except StagegateError as error:
            return _refused(error)

    def model_ready(self, model: Name) -> Response:
        """Whether the model is routed to here; routed is loaded."""
        return self._readiness(model, None)

    def version_ready(self, model: Name, version: VersionNumber) -> Response:
        """Whether this version of the model is routed to here; routed is loaded."""
        return self._readiness(model, version)

    def _readiness(self, model: str, version: int | None) -> Response:
        try:
            ready = self._inference.is_routed(model, version)
        except StagegateError as error:
            return _refused(error)
        document = {"name": model, "ready": ready}
        return JSONResponse(document, status_code=200 if ready else 404)

    async def infer(self, request: Request, model: Name) -> Response:
        """Predictions for a tensor of images."""
        return await self._infer(request, model, None)

    async def infer_version(
        self, request: Request, model: Name, version: VersionNumber
    ) -> Response:
        """The same from one version, if the rollout has it answer."""
        return await self._infer(request, model, version)

    async def _infer(self, request: Request, model: str, version: int | None) -> Response:
        try:
            sent = await read_body(request, self._limit)
            body = await unpacked(sent, request.headers.get("content-encoding"), self._limit)
            asked = read_request(body, request.headers.get(HEADER))
            work = self._inference.infer(request, model, version, asked.images)
            said, outputs = await self._callers.unless_gone(request, work)
        except StagegateError as error:
            return _refused(error)
        if asked.id is not None:
            said["id"] = asked.id
        return _written(said, outputs, asked)


def _written(said: dict[str, Any], outputs: Sequence[Tensor], asked: InferRequest) -> Response:
    body, header = write_answer(said, outputs, asked)
    if header is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type=_BINARY, headers={HEADER: str(header)})


def _refused(error: StagegateError) -> Response:
    """The protocol's shape of an error."""
    return JSONResponse({"error": str(error)}, status_code=error.status)
