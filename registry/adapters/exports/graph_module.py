"""A bundle's ONNX graph as a torch module, by a fixed table of operators.

Every format that comes from torch starts here, so every version can have it, whatever it was
registered from. Nothing of the graph is executed: its nodes are names that are looked up, its
weights are numbers.

Values are tensors, or what is known outside of the tensors: sizes, axes, indices and single
numbers, as numpy arrays. A size may be symbolic while torch traces, so such arrays hold objects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # noqa: TID253 - only what makes torch formats imports this module
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from registry.adapters.exports.graph_arithmetic import ARITHMETIC
from registry.adapters.exports.graph_layers import LAYERS
from registry.adapters.exports.graph_shapes import SHAPES
from registry.adapters.onnx_check import check_operators
from registry.domain.errors import Invalid

_OPERATORS: dict[str, Callable[..., Any]] = {**ARITHMETIC, **LAYERS, **SHAPES}
_OLDEST = 13  # before it, axes and limits were attributes


@dataclass(frozen=True, slots=True)
class _Step:
    run: Callable[..., Any]
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    settings: dict[str, Any]


class GraphModule(nn.Module):
    """Takes the graph's input and gives its outputs, in the graph's order."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        model = onnx.load_model_from_string(data)
        check_operators(model)
        _check_known(model)
        self._weights: dict[str, str] = {}
        self._known: dict[str, Any] = {}
        for tensor in model.graph.initializer:
            self._keep(tensor.name, _numbers(tensor))
        for node in model.graph.node:
            if node.op_type == "Constant":
                self._keep(node.output[0], _constant(node))
        self._steps = tuple(_step(node) for node in model.graph.node if node.op_type != "Constant")
        self._input = model.graph.input[0].name
        self._outputs = tuple(value.name for value in model.graph.output)
        self.eval()

    def forward(self, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs for a batch of prepared inputs."""
        values: dict[str, Any] = {"": None, self._input: given, **self._known}
        values |= {name: getattr(self, weight) for name, weight in self._weights.items()}
        for step in self._steps:
            made = step.run(*(values[name] for name in step.takes), **step.settings)
            several = isinstance(made, list)
            values.update(zip(step.gives, made if several else [made], strict=False))
        return tuple(values[name] for name in self._outputs)

    def _keep(self, name: str, numbers: Any) -> None:
        if numbers.dtype.kind == "f" and numbers.ndim:
            weight = f"weight_{len(self._weights)}"
            self._weights[name] = weight
            tensor = torch.from_numpy(np.array(numbers))
            self.register_parameter(weight, nn.Parameter(tensor, requires_grad=False))
        else:
            self._known[name] = numbers


def read_module(graph: Path) -> GraphModule:
    """The module of a graph; Invalid names the operators that torch formats cannot have."""
    return GraphModule(graph.read_bytes())


def _check_known(model: Any) -> None:
    known = {*_OPERATORS, "Constant"}
    foreign = sorted({node.op_type for node in model.graph.node} - known)
    opset = next((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), 0)
    if foreign or opset < _OLDEST:
        what = f"the operators {', '.join(foreign)}" if foreign else f"opset {opset}"
        raise Invalid(
            f"the graph has {what}, which no torch module is made of here; export it as onnx,"
            " onnx-int8 or triton instead"
        )


def _step(node: Any) -> _Step:
    settings = {a.name: _setting(onnx.helper.get_attribute_value(a)) for a in node.attribute}
    if node.op_type == "Split":
        settings["parts"] = len(node.output)
    run = _OPERATORS[node.op_type]
    return _Step(run, tuple(node.input), tuple(node.output), settings)


def _setting(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return _numbers(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _constant(node: Any) -> Any:
    if len(node.attribute) != 1 or node.attribute[0].name.startswith(("value_string", "sparse")):
        raise Invalid("the graph has a Constant of no numbers; export the model again without")
    value = onnx.helper.get_attribute_value(node.attribute[0])
    if isinstance(value, onnx.TensorProto):
        return _numbers(value)
    kind = np.float32 if node.attribute[0].name.startswith("value_float") else np.int64
    return np.array(value, kind)


def _numbers(tensor: Any) -> Any:
    return onnx.numpy_helper.to_array(tensor)
