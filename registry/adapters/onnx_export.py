"""Writing a servable module as one ONNX file, and proving that it answers like the module."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.servable import Servable
from registry.domain.errors import Invalid

INPUT = "input"
OUTPUTS = ("logits", "probabilities", "features")
TESTED_BATCHES = (1, 2, 5)
OPSET = 20


def export_onnx(servable: Servable, shape: Sequence[int], labels: int) -> bytes:
    """The graph's bytes, for any batch size; Invalid if the model does not give `labels` logits."""
    servable.eval()
    example = torch.zeros(2, *shape, dtype=torch.uint8)
    with torch.no_grad():
        logits = servable(example)[0]
    if tuple(logits.shape) != (2, labels):
        raise Invalid(
            f"the model gives scores of shape {tuple(logits.shape)} for 2 images; with its"
            f" {labels} labels (2, {labels}) is expected"
        )
    program = _export(servable, example)
    data: bytes = program.model_proto.SerializeToString()
    return data


def _export(servable: Servable, example: torch.Tensor) -> Any:
    # The exporter announces its progress and its deprecations; none of that is for our user.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            servable,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )


def graph_difference(servable: Servable, graph: bytes, shape: Sequence[int]) -> dict[str, float]:
    """Largest difference of probabilities between module and graph, for each tested batch size."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    draw = np.random.default_rng(0)
    differences = {}
    for n in TESTED_BATCHES:
        images = draw.integers(0, 256, (n, *shape), dtype=np.uint8)
        found = session.run(["probabilities"], {INPUT: images})[0]
        with torch.no_grad():
            wanted = servable(torch.from_numpy(images))[1].numpy()
        if found.shape != wanted.shape:
            raise Invalid(
                f"the graph answers {found.shape} to {n} images, the model {wanted.shape}"
            )
        differences[str(n)] = float(np.abs(found - wanted).max())
    return differences
