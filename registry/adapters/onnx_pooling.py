"""Saying the mean of a map as the pooling that it is, so that ONNX Runtime keeps its fast layout.

Convolutions run on channels in blocks (in integers: on channels last). ReduceMean knows neither
layout, so the whole map is first brought back for it; GlobalAveragePool works on it as it lies.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx  # noqa: TID253 - only the jailed converter imports this module

_RANK, _ACROSS = 4, {2, 3}


def pool_maps(model: Any) -> None:
    """Change the graph in place: each mean across height and width of a map becomes a pooling."""
    graph = model.graph
    constants = {t.name: t for t in graph.initializer}
    ranks = {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input)
    }
    nodes = [made for node in graph.node for made in _said(node, constants, ranks)]
    del graph.node[:]
    graph.node.extend(nodes)


def _said(node: Any, constants: Mapping[str, Any], ranks: Mapping[str, int]) -> Iterator[Any]:
    if node.op_type != "ReduceMean" or not _is_across(node, constants, ranks):
        yield node
        return
    given, output = node.input[0], node.output[0]
    if _attribute(node, "keepdims", 1):
        yield onnx.helper.make_node("GlobalAveragePool", [given], [output], node.name)
        return
    pooled = f"{output}_pooled"
    yield onnx.helper.make_node("GlobalAveragePool", [given], [pooled], node.name)
    yield onnx.helper.make_node("Flatten", [pooled], [output], f"{node.name}_flat", axis=1)


def _is_across(node: Any, constants: Mapping[str, Any], ranks: Mapping[str, int]) -> bool:
    if ranks.get(node.input[0]) != _RANK or len(node.input) != 2:
        return False
    axes = constants.get(node.input[1])
    if axes is None:
        return False
    return {int(axis) % _RANK for axis in np.ravel(onnx.numpy_helper.to_array(axes))} == _ACROSS


def _attribute(node: Any, name: str, otherwise: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), otherwise)
