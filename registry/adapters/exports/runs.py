"""Loading what exports are compared with: graphs in ONNX Runtime, modules in torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.drawn_inputs import drawn_inputs
from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import preprocessor
from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.observations import FloatArray, InputArray
from registry.exporting import Inputs, Loaders, Runs


def run_onnx(graph: Path) -> Runs:
    """A graph in ONNX Runtime, in one thread."""
    model = OnnxModel(graph)

    def run(inputs: InputArray) -> Sequence[FloatArray]:
        seen = model.run(inputs)
        return seen.logits, seen.probabilities, seen.features

    return run


def run_eager(graph: Path) -> Runs:
    """The same graph in PyTorch; Invalid if it cannot be had there."""
    from registry.adapters.exports.torch_parts import module_of, run_module

    return run_module(module_of(graph))


def prepared(document: AnyPreprocessing, encoded: Sequence[bytes]) -> InputArray:
    """Encoded inputs as the graph takes them."""
    prepare: Any = preprocessor(document).prepare
    return np.stack([prepare(data) for data in encoded])


def drawn(document: AnyPreprocessing, count: int, draw: np.random.Generator) -> InputArray:
    """So many prepared inputs at random."""
    return drawn_inputs(document)(count, draw)


LOADERS = Loaders(run_onnx, run_eager)
INPUTS = Inputs(prepared, drawn)
