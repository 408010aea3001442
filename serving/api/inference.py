"""What the Open Inference Protocol asks for, whether it comes over REST or gRPC.

Every row is a prediction like any other: routed, scored, decided and stored. The protocol has no
word for a request that is held for a person, so such a request ends in an error that says where the
answer will be.
"""

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

from fastapi import Request

from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.versions import ModelVersion
from serving.api.body import read_attributes
from serving.api.idempotency import idempotency_key
from serving.api.parts import Serving
from serving.api.predict import preferred_wait
from serving.api.rows import predict_rows
from serving.api.tensors import IMAGE, Tensor
from serving.domain.prediction import Label, Prediction

Answer = tuple[dict[str, Any], tuple[Tensor, ...]]


class Inference:
    """The protocol's verbs; errors are StagegateErrors, for each transport to translate."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def server(self) -> dict[str, Any]:
        """What this server is."""
        extensions = ["binary_tensor_data"]
        return {"name": "stagegate", "version": installed("stagegate"), "extensions": extensions}

    def is_ready(self) -> bool:
        """Whether every route has the versions that it needs."""
        return not self._serving.fleet.problems()

    def is_routed(self, model: str, version: int | None) -> bool:
        """Whether a model, or this version of it, is routed to here; routed is loaded.

        NotFound if there is no such thing.
        """
        self._versions(model, version)
        with self._serving.fleet.admit() as generation:
            route = generation.snapshot.routes.get(model)
        routed = set(route.versions) if route else set()
        return bool(routed) if version is None else version in routed

    def metadata(self, model: str, version: int | None) -> dict[str, Any]:
        """The inputs and outputs of a model or a version."""
        return _metadata(model, self._versions(model, version))

    async def infer(
        self, request: Request, model: str, version: int | None, images: Sequence[bytes]
    ) -> Answer:
        """Predictions for images, as outputs; the request's headers say all else."""
        serving, attributes = self._serving, read_attributes(request)
        key, wait = idempotency_key(request), preferred_wait(request)
        found = await predict_rows(serving, model, images, attributes, wait, key, version)
        named = await serving.read(lambda unit: _version(unit.registry, found[0]))
        document = {"model_name": model, "model_version": str(found[0].version or 0)}
        return document, _outputs(found, named.labels, several=named.threshold is not None)

    def _versions(self, model: str, version: int | None) -> Sequence[ModelVersion]:
        with self._serving.database.read() as connection:
            versions = SqlUnitOfWork(connection).versions
            if version is not None:
                return (versions.get(model, version),)
            return versions.list(model) or (versions.get(model, 1),)


def _metadata(model: str, versions: Sequence[ModelVersion]) -> dict[str, Any]:
    labels = len(versions[-1].labels)
    several = versions[-1].threshold is not None
    outputs = (
        ("prediction", "BYTES", [-1]),
        ("index", "INT64", [-1, labels] if several else [-1]),
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


def _version(unit: Any, found: Prediction) -> ModelVersion:
    versions: Sequence[ModelVersion] = unit.versions.list(found.model)
    return next((v for v in versions if v.version == found.version), versions[-1])


def _outputs(
    found: Sequence[Prediction], labels: Sequence[str], *, several: bool
) -> tuple[Tensor, ...]:
    """Several labels are told as fastai's predict does: which apply, 0 or 1 for each."""
    said = [one.answer or Label(None) for one in found]
    n, rows = (len(found),), [_spread(one, labels) for one in said]
    places = [one.index for one in said]
    if several:
        places = [int(i in _places(one)) for one in said for i in range(len(labels))]
    return (
        Tensor("prediction", "BYTES", n, [one.prediction for one in said]),
        Tensor("index", "INT64", (*n, len(labels)) if several else n, places),
        Tensor("probabilities", "FP32", (*n, len(labels)), [p for row in rows for p in row]),
        Tensor("id", "BYTES", n, [one.id for one in found]),
        Tensor("version", "INT64", n, [one.version or 0 for one in found]),
        Tensor("decided_by", "BYTES", n, [str(one.decided_by) for one in found]),
    )


def _spread(said: Label, labels: Sequence[str]) -> list[float]:
    """Its probabilities in the order of the labels; a person's answer is certain."""
    if said.probabilities is None:
        return [float(i in _places(said)) for i in range(len(labels))]
    return [float(said.probabilities.get(label, 0.0)) for label in labels]


def _places(said: Label) -> tuple[int, ...]:
    """The places of its labels among the model's; none where no label fits."""
    if isinstance(said.index, tuple):
        return said.index
    return () if said.index is None else (said.index,)
