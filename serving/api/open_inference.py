"""The Open Inference Protocol, version 2, over REST: what tritonclient and KServe speak.

Every row is a prediction like any other: routed, scored, decided and stored. The protocol has no
word for a request that is held for a person, so such a request is answered with 202 and an error
that says where the answer will be.
"""

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import Conflict, StagegateError
from registry.domain.versions import ModelVersion
from serving.api.answer_schema import INFER_BODY, NOT_READY, NOT_ROUTED
from serving.api.body import read_attributes, read_body
from serving.api.idempotency import idempotency_key
from serving.api.parts import Serving
from serving.api.predict import preferred_wait
from serving.api.rows import predict_rows
from serving.api.tensors import HEADER, IMAGE, InferRequest, Tensor, read_request, write_answer
from serving.api.text import Name, VersionNumber
from serving.domain.prediction import Label, Prediction

_BINARY = "application/octet-stream"
_MODEL, _VERSION = "/models/{model}", "/models/{model}/versions/{version}"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": INFER_BODY}, _BINARY: {}},
    }
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
            place + "/infer", infer, methods=["POST"], openapi_extra=_BODY, response_model=None
        )
    return routes


class _Api:
    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def server(self) -> dict[str, Any]:
        """What this server is."""
        extensions = ["binary_tensor_data"]
        return {"name": "stagegate", "version": installed("stagegate"), "extensions": extensions}

    def live(self) -> dict[str, bool]:
        """The process answers."""
        return {"live": True}

    def ready(self) -> Response:
        """Every route has the versions that it needs."""
        ready = not self._serving.fleet.problems()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    def model(self, model: Name) -> Response:
        """The inputs and outputs of a model."""
        return self._described(model, None)

    def version(self, model: Name, version: VersionNumber) -> Response:
        """The inputs and outputs of a version."""
        return self._described(model, version)

    def _described(self, model: str, version: int | None) -> Response:
        try:
            found = self._versions(model, version)
        except StagegateError as error:
            return _refused(error)
        return JSONResponse(_metadata(model, found))

    def model_ready(self, model: Name) -> Response:
        """Whether the model is routed to here; routed is loaded."""
        return self._readiness(model, None)

    def version_ready(self, model: Name, version: VersionNumber) -> Response:
        """Whether this version of the model is routed to here; routed is loaded."""
        return self._readiness(model, version)

    def _readiness(self, model: str, version: int | None) -> Response:
        try:
            self._versions(model, version)
        except StagegateError as error:
            return _refused(error)
        with self._serving.fleet.admit() as generation:
            route = generation.snapshot.routes.get(model)
        routed = set(route.versions) if route else set()
        ready = bool(routed) if version is None else version in routed
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
        serving = self._serving
        try:
            body = await read_body(request, serving.max_upload_bytes)
            asked = read_request(body, request.headers.get(HEADER))
            attributes = read_attributes(request)
            key, wait = idempotency_key(request), preferred_wait(request)
            if not await self._answered_before(model, key):
                self._insist(model, version, attributes)
            found = await predict_rows(serving, model, asked.images, attributes, wait, key)
            labels = await serving.read(lambda unit: _labels(unit.registry, found[0]))
            return _answered(model, found, labels, asked)
        except StagegateError as error:
            return _refused(error)

    async def _answered_before(self, model: str, key: str | None) -> bool:
        """A repeat is answered as before, whatever the rollout has done meanwhile."""
        if key is None:
            return False
        found = await self._serving.read(lambda unit: unit.predictions.by_key(model, key))
        return found is not None

    def _insist(self, model: str, version: int | None, attributes: dict[str, Any]) -> None:
        answering = self._answering(model, attributes) if version is not None else None
        if answering != version:
            raise Conflict(
                f"{model}@{version} was asked for, but by the rollout {answering or 'a person'}"
                " answers such requests; leave the version out"
            )

    def _answering(self, model: str, attributes: dict[str, Any]) -> int | None:
        with self._serving.fleet.admit() as generation:
            now = self._serving.clock()
            return generation.snapshot.assign(model, attributes, now).answering

    def _versions(self, model: str, version: int | None) -> Sequence[ModelVersion]:
        with self._serving.database.read() as connection:
            versions = SqlUnitOfWork(connection).versions
            if version is not None:
                return (versions.get(model, version),)
            return versions.list(model) or (versions.get(model, 1),)


def _metadata(model: str, versions: Sequence[ModelVersion]) -> dict[str, Any]:
    labels = len(versions[-1].labels)
    outputs = (
        ("prediction", "BYTES", [-1]),
        ("index", "INT64", [-1]),
        ("probabilities", "FP32", [-1, labels]),
        ("id", "BYTES", [-1]),
        ("version", "INT64", [-1]),
        ("decided_by", "BYTES", [-1]),
    )
    return {
        "name": model,
        "versions": [str(one.version) for one in versions],
        "platform": "onnx",
        "inputs": [{"name": IMAGE, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": n, "datatype": d, "shape": s} for n, d, s in outputs],
    }


def _labels(unit: Any, found: Prediction) -> tuple[str, ...]:
    versions: Sequence[ModelVersion] = unit.versions.list(found.model)
    named = [v.labels for v in versions if v.version == found.version]
    return named[0] if named else versions[-1].labels


def _answered(
    model: str, found: Sequence[Prediction], labels: Sequence[str], asked: InferRequest
) -> Response:
    said = [one.answer or Label(None) for one in found]
    n, rows = (len(found),), [_spread(one, labels) for one in said]
    tensors = (
        Tensor("prediction", "BYTES", n, [one.prediction for one in said]),
        Tensor("index", "INT64", n, [one.index for one in said]),
        Tensor("probabilities", "FP32", (*n, len(labels)), [p for row in rows for p in row]),
        Tensor("id", "BYTES", n, [one.id for one in found]),
        Tensor("version", "INT64", n, [one.version or 0 for one in found]),
        Tensor("decided_by", "BYTES", n, [str(one.decided_by) for one in found]),
    )
    document = {"model_name": model, "model_version": str(found[0].version or 0)}
    if asked.id is not None:
        document["id"] = asked.id
    body, header = write_answer(document, tensors, asked)
    if header is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type=_BINARY, headers={HEADER: str(header)})


def _spread(said: Label, labels: Sequence[str]) -> list[float]:
    """Its probabilities in the order of the labels; a person's answer is certain."""
    if said.probabilities is None:
        return [float(label == said.prediction) for label in labels]
    return [float(said.probabilities.get(label, 0.0)) for label in labels]


def _refused(error: StagegateError) -> Response:
    """The protocol's shape of an error."""
    return JSONResponse({"error": str(error)}, status_code=error.status)
