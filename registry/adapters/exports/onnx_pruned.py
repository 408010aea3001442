"""ONNX with each layer's smallest weights set to 0, as `torch.nn.utils.prune.l1_unstructured` does.

A file of the same size, as fast as before: zeros pay off where it is compressed, or in a runtime
that skips them. The report says for every layer how much of it was given up.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.exports.onnx_files import GRAPH
from registry.adapters.exports.runs import run_onnx
from registry.adapters.exports.torch_parts import require_packages
from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray
from registry.exporting import BATCHES, Content, Runs

REPORT = "pruning.json"
_LAYERS = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators with weights, and which of their inputs these are."""


@dataclass(frozen=True, slots=True)
class PrunedLayer:
    """A layer's weights: how many, how many are 0, and the share of their L1 norm that went."""

    layer: str
    operator: str
    shape: tuple[int, ...]
    weights: int
    zeros: int
    norm_lost: float


class OnnxPrunedExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def require(self) -> None:
        """The package onnx, which serving does without."""
        require_packages("onnx")

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Prune layer by layer, and write the graph and the report."""
        import onnx

        model = onnx.load(content.graph)
        layers = [self._prune(*found) for found in _layers(model)]
        if not layers:
            raise Invalid("the graph has no layer with weights of its own, so none can be pruned")
        before, after = content.graph.read_bytes(), model.SerializeToString()
        (folder / GRAPH).write_bytes(after)
        report = [asdict(layer) for layer in layers]
        (folder / REPORT).write_text(json.dumps({"layers": report}, indent=2) + "\n")
        weights = sum(layer.weights for layer in layers)
        return {
            "pruned_weights": sum(layer.zeros for layer in layers) / weights,
            "gzip_bytes_before": _compressed(before),
            "gzip_bytes_after": _compressed(after),
            "layers": report,
        }

    def load(self, content: Content, folder: Path) -> Runs:
        """By ONNX Runtime."""
        del content
        return run_onnx(folder / GRAPH)

    def _prune(self, node: Any, tensor: Any) -> PrunedLayer:
        import onnx

        weights = onnx.numpy_helper.to_array(tensor)
        kept = without_smallest(weights, self.amount)
        tensor.CopyFrom(onnx.numpy_helper.from_array(kept, tensor.name))
        norm = float(np.abs(weights).sum(dtype=np.float64))
        lost = norm - float(np.abs(kept).sum(dtype=np.float64))
        return PrunedLayer(
            node.name or tensor.name, node.op_type, weights.shape, weights.size,
            int((kept == 0).sum()), lost / norm if norm else 0.0,
        )  # fmt: skip


def without_smallest(weights: FloatArray, amount: float) -> FloatArray:
    """The weights with the share `amount` of them, the smallest by absolute value, set to 0."""
    count = round(amount * weights.size)
    kept = weights.copy()
    smallest = np.argpartition(np.abs(weights).ravel(), max(count - 1, 0))[:count]
    kept.reshape(-1)[smallest] = 0
    return kept


def _layers(model: Any) -> Iterator[tuple[Any, Any]]:
    """Each node with weights, and the weights; once, where several nodes share them."""
    known, float_kind = {tensor.name: tensor for tensor in model.graph.initializer}, 1
    for node in model.graph.node:
        at = _LAYERS.get(node.op_type)
        tensor = known.pop(node.input[at], None) if at is not None else None
        if tensor is not None and tensor.data_type == float_kind and len(tensor.dims) > 1:
            yield node, tensor


def _compressed(data: bytes) -> int:
    return len(gzip.compress(data, 6))
