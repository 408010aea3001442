"""Writing a servable module as one ONNX file."""

import logging
import warnings
from typing import Any

import numpy as np
import torch  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.graph_parity import Answers
from registry.adapters.onnx_model import INPUT, OUTPUTS
from registry.adapters.onnx_pooling import pool_maps
from registry.adapters.servable import Servable
from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray, InputArray

OPSET = 20


def export_onnx(servable: Servable, labels: int) -> bytes:
    """The graph's bytes, for any batch size; Invalid if the model does not give `labels` logits."""
    servable.eval()
    with torch.no_grad():
        logits = servable(servable.example)[0]
    if tuple(logits.shape) != (2, labels):
        raise Invalid(
            f"the model gives scores of shape {tuple(logits.shape)} for 2 inputs; with its"
            f" {labels} labels (2, {labels}) is expected"
        )
    model = _export(servable).model_proto
    pool_maps(model)
    data: bytes = model.SerializeToString()
    return data


def _export(servable: Servable) -> Any:
    # The exporter announces its progress and its deprecations; none of that is for our user.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            servable,
            (servable.example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )


def said_by(servable: Servable) -> Answers:
    """The module as a function from prepared inputs to probabilities."""

    def probabilities(inputs: InputArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(servable(torch.from_numpy(inputs))[1].numpy())

    return probabilities
