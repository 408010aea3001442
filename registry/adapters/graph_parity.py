"""Proving inside the converter that a graph answers like the model that it was made from."""

from collections.abc import Callable

import numpy as np

from registry.adapters.drawn_inputs import Draw
from registry.adapters.onnx_model import INPUT
from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray, InputArray

TESTED_BATCHES = (1, 2, 5)
Answers = Callable[[InputArray], FloatArray]


def graph_difference(wanted: Answers, graph: bytes, inputs: Draw) -> dict[str, float]:
    """Largest difference of probabilities between model and graph, for each tested batch size.

    inputs: so many prepared inputs, drawn at random.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    differences = {}
    for n in TESTED_BATCHES:
        drawn = inputs(n, draw)
        found = session.run(["probabilities"], {INPUT: drawn})[0]
        said = wanted(drawn)
        if found.shape != said.shape:
            raise Invalid(f"the graph answers {found.shape} to {n} inputs, the model {said.shape}")
        differences[str(n)] = float(np.abs(found - said).max())
    return differences
