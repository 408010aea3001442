"""ONNX in integers of 8 bits, by ONNX Runtime's own quantisation.

Static: weights and activations, with ranges from calibration data, as pairs of QuantizeLinear and
DequantizeLinear. Dynamic: weights alone; what activations need is found anew at every call.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from registry.adapters.exports.onnx_files import GRAPH
from registry.adapters.exports.runs import run_onnx
from registry.adapters.exports.torch_parts import require_packages
from registry.adapters.onnx_model import INPUT
from registry.domain.errors import Invalid
from registry.domain.observations import InputArray
from registry.exporting import BATCHES, Content, Runs

_BATCH = 16


class OnnxInt8Exporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def __init__(self, *, dynamic: bool) -> None:
        self.dynamic = dynamic

    def require(self) -> None:
        """The package onnx, which serving does without."""
        require_packages("onnx")

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Quantise the graph."""
        with tempfile.TemporaryDirectory() as scratch, _quiet():
            prepared = Path(scratch) / "prepared.onnx"
            try:
                _prepare(content.graph, prepared)
                self._quantise(prepared, folder / GRAPH, content.calibration)
            except Exception as error:
                raise Invalid(
                    f"ONNX Runtime cannot bring this graph to integers ({_first(error)}); export it"
                    " as onnx, or the other way: with --dynamic, or without"
                ) from error
        if self.dynamic:
            return {"quantization": "dynamic"}
        rows = 0 if content.calibration is None else len(content.calibration)
        return {"quantization": "static", "calibrated_with": rows}

    def load(self, content: Content, folder: Path) -> Runs:
        """By ONNX Runtime."""
        del content
        return run_onnx(folder / GRAPH)

    def _quantise(self, graph: Path, target: Path, calibration: InputArray | None) -> None:
        from onnxruntime import quantization

        if self.dynamic:
            quantization.quantize_dynamic(graph, target, weight_type=quantization.QuantType.QInt8)
            return
        if calibration is None:
            raise Invalid("there is no calibration data to set the ranges by")
        quantization.quantize_static(
            graph,
            target,
            _Reader(calibration),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
        )


class _Reader:
    """Feeds calibration data in batches, as onnxruntime's CalibrationDataReader."""

    def __init__(self, inputs: InputArray) -> None:
        self._batches: Iterator[Any] = iter(
            [inputs[at : at + _BATCH] for at in range(0, len(inputs), _BATCH)]
        )

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, by the name of the input."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def _prepare(graph: Path, target: Path) -> None:
    """With constants folded, norms merged into convolutions, and without stale shapes."""
    import onnx
    from onnxruntime.quantization import shape_inference

    model = onnx.load(graph)
    del model.graph.value_info[:]  # shapes of the exporter, at which quantising stumbles
    bare = target.with_name("bare.onnx")
    onnx.save(model, bare)
    shape_inference.quant_pre_process(bare, target, skip_symbolic_shape=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """It warns that preparation is advised, which is done."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
