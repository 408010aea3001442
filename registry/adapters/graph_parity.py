"""Proving inside the converter that a graph answers like the model that it was made from."""

from collections.abc import Callable, Sequence

import numpy as np

from registry.adapters.onnx_model import INPUT
from registry.domain.errors import Invalid
from registry.domain.observations import ByteArray, FloatArray

TESTED_BATCHES = (1, 2, 5)
Answers = Callable[[ByteArray], FloatArray]


def graph_difference(wanted: Answers, graph: bytes, shape: Sequence[int]) -> dict[str, float]:
    """Largest difference of probabilities between model and graph, for each tested batch size."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    differences = {}
    for n in TESTED_BATCHES:
        images = draw.integers(0, 256, (n, *shape), dtype=np.uint8)
        found = session.run(["probabilities"], {INPUT: images})[0]
        said = wanted(images)
        if found.shape != said.shape:
            raise Invalid(f"the graph answers {found.shape} to {n} images, the model {said.shape}")
        differences[str(n)] = float(np.abs(found - said).max())
    return differences
