"""A tiny real model: says which of three colours an image has most of, with a fitted scorer."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monitoring.services.fit_reference import MonitoringReferenceFitter
from registry.adapters.bundle import Bundle, write_bundle
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import preprocessor
from registry.adapters.proof_pictures import proof_pictures
from registry.documents.preprocessing import Preprocessing, Resize
from registry.documents.proof import make_proof
from registry.domain.observations import FeatureBlock, Observations
from registry.domain.versions import ModelVersion

COLOURS = ("red", "green", "blue")
SIDE = 16
DOCUMENT = Preprocessing(mode="RGB", steps=(Resize(width=SIDE, height=SIDE),))


def graph(eats_from: int | None = None, ballast: int = 0) -> bytes:
    """Says which of three colours an image has most of.

    eats_from: an image with a pixel as bright as this makes it take 8 GiB of memory. ballast: how
    many rows of 4 KiB it carries in weights that change nothing.
    """
    import onnx

    make, kinds = onnx.helper, onnx.TensorProto
    logits = "plain" if eats_from is not None or ballast else "logits"
    nodes = [
        make.make_node("Cast", ["input"], ["pixels"], to=kinds.FLOAT),
        make.make_node("GlobalAveragePool", ["pixels"], ["pooled"]),
        make.make_node("Flatten", ["pooled"], ["features"]),
        make.make_node("MatMul", ["features", "weights"], [logits]),
        *(() if eats_from is None else _eating(make, kinds, eats_from)),
        *(_carrying(make) if ballast else ()),
        make.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    weights = make.make_tensor("weights", kinds.FLOAT, [3, 3], (np.eye(3) * 0.1).ravel().tolist())
    inputs = [make.make_tensor_value_info("input", kinds.UINT8, ["n", 3, SIDE, SIDE])]
    names = ("logits", "probabilities", "features")
    outputs = [make.make_tensor_value_info(name, kinds.FLOAT, ["n", 3]) for name in names]
    carried = _carried(make, kinds, ballast) if ballast else ()
    made = make.make_graph(nodes, "colours", inputs, outputs, [weights, *carried])
    opsets = [make.make_opsetid("", 17)]
    data: bytes = make.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()
    return data


def _eating(make: Any, kinds: Any, eats_from: int) -> list[Any]:
    """Nodes that add zero to the logits, as the sum of no or of 2 ** 31 numbers."""

    def constant(name: str, kind: int, shape: list[int], value: float) -> Any:
        tensor = make.make_tensor(name, kind, shape, [value])
        return make.make_node("Constant", [], [name], value=tensor)

    return [
        constant("bright", kinds.FLOAT, [], float(eats_from) - 0.5),
        constant("many", kinds.INT64, [1], 2**31),
        constant("flat", kinds.INT64, [1], -1),
        make.make_node("ReduceMax", ["pixels"], ["brightest"], keepdims=0),
        make.make_node("Greater", ["brightest", "bright"], ["is_bright"]),
        make.make_node("Cast", ["is_bright"], ["one_or_none"], to=kinds.INT64),
        make.make_node("Reshape", ["one_or_none", "flat"], ["vector"]),
        make.make_node("Mul", ["vector", "many"], ["length"]),
        make.make_node("ConstantOfShape", ["length"], ["zeros"]),
        make.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
        make.make_node("Add", ["plain", "nothing"], ["logits"]),
    ]


def _carrying(make: Any) -> list[Any]:
    """Nodes that add next to nothing to the logits by way of large weights."""
    return [
        make.make_node("MatMul", ["features", "into"], ["loaded"]),
        make.make_node("MatMul", ["loaded", "through"], ["carried"]),
        make.make_node("MatMul", ["carried", "out"], ["unloaded"]),
        make.make_node("Add", ["plain", "unloaded"], ["logits"]),
    ]


def _carried(make: Any, kinds: Any, ballast: int) -> list[Any]:
    shapes = {"into": (3, ballast), "through": (ballast, 1024), "out": (1024, 3)}
    return [
        make.make_tensor(
            name, kinds.FLOAT, shape, np.full(shape, 1e-9, np.float32).tobytes(), raw=True
        )
        for name, shape in shapes.items()
    ]


def pictures(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures in one colour each."""
    labels = rng.integers(0, 3, rows)
    images = rng.normal(60, 12, (rows, 3, SIDE, SIDE)) + rng.normal(0, 6, (rows, 3, 1, 1))
    images[np.arange(rows), labels] += 120
    return np.clip(images, 0, 255).astype(np.uint8), labels


def encode(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(out, "PNG")
    return out.getvalue()


def make_bundle(
    folder: Path,
    created_at: datetime,
    author: str = "ann",
    eats_from: int | None = None,
    ballast: int = 0,
) -> Bundle:
    """The model as a bundle below `folder`, its scorer calibrated on pictures of its own."""
    model, safe = folder / "graph.onnx", folder / "safe.onnx"
    model.write_bytes(graph(eats_from, ballast))
    safe.write_bytes(graph())
    runs, rng = OnnxModel(safe), np.random.default_rng(7)

    def observe() -> Iterator[Observations]:
        inputs, labels = pictures(rng, 600)
        seen = runs.run(inputs)
        yield replace(seen, labels=labels)

    asked = proof_pictures()
    prepare = preprocessor(DOCUMENT).prepare
    said = runs.run(np.stack([prepare(data) for data in asked.values()])).probabilities
    blocks = (FeatureBlock("colours", 3),)
    fitted = MonitoringReferenceFitter().fit(COLOURS, blocks, observe(), observe())
    fields = {
        "model": "colours",
        "labels": COLOURS,
        "activation": "softmax",
        "input_shape": DOCUMENT.shape,
        "feature_blocks": [{"name": "colours", "width": 3}],
        "source": {"format": "onnx", "name": "graph.onnx", "sha256": "0" * 64, "size": 1},
        "environment": {},
        "parity": {},
        "author": author,
        "created_at": created_at,
    }
    files = {
        "model.onnx": model,
        "preprocessing.json": DOCUMENT.document(),
        "proof.json": make_proof(asked, said).document(),
        **fitted,
    }
    return write_bundle(folder / "files", fields, files)


def record_versions(
    database: Database, bundle: Bundle, now: datetime, count: int = 2, first: int = 1
) -> None:
    """Write rows for so many versions, all of this bundle, as registration does last."""
    with database.begin() as connection:
        unit = SqlUnitOfWork(connection)
        for number in range(first, first + count):
            unit.versions.add(
                ModelVersion(
                    model="colours",
                    version=number,
                    digest=bundle.digest,
                    bundle_uri=bundle.path.as_uri(),
                    source_format="onnx",
                    labels=COLOURS,
                    environment={},
                    author="ann",
                    created_at=now,
                    tags={},
                    parity={},
                )
            )
        unit.routing_clock.tick()
