"""Means of maps become poolings, and nothing else changes."""

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.adapters.onnx_pooling import pool_maps

SHAPE = (2, 3, 5, 7)


def a_graph(axes: list[int], keepdims: int, shape: tuple[int, ...] = SHAPE) -> Any:
    """Relu, then the mean over the axes."""
    gone = {axis % len(shape) for axis in axes}
    kept = [1 if i in gone else n for i, n in enumerate(shape)]
    left = kept if keepdims else [n for i, n in enumerate(shape) if i not in gone]
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["input"], ["map"]),
            helper.make_node("ReduceMean", ["map", "axes"], ["output"], "mean", keepdims=keepdims),
        ],
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, left)],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
        value_info=[helper.make_tensor_value_info("map", TensorProto.FLOAT, shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def said(model: Any, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"input": given})[0])


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, 2]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_mean_across_a_map_is_pooled_with_the_same_result(axes: list[int], keepdims: int):
    given = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    before, model = said(a_graph(axes, keepdims), given), a_graph(axes, keepdims)
    pool_maps(model)
    onnx.checker.check_model(model, full_check=True)
    assert "ReduceMean" not in operators(model)
    after = said(model, given)
    assert after.shape == before.shape
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [([1], SHAPE), ([1, 2], SHAPE), ([2], SHAPE), ([0, 1], (2, 3)), ([2], (2, 3, 4))],
)
def test_any_other_mean_stays_as_it_is(axes: list[int], shape: tuple[int, ...]):
    model = a_graph(axes, 1, shape)
    pool_maps(model)
    assert operators(model) == ["Relu", "ReduceMean"]
