"""Building what a person declared into a foreign ONNX graph, so that it becomes one that serves.

Before the graph: from the uint8 images of the preprocessing document to its own input. After it:
probabilities. From within it: features, the channel means of the last layer at each resolution and
the input of the last linear layer, for the out-of-domain scores.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.declared_input import END
from registry.adapters.onnx_check import check_operators
from registry.adapters.onnx_model import INPUT, OUTPUTS
from registry.documents.model_input import Gives, Layout, ModelInput, Order
from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock

OLDEST, NEWER = 13, 18
_FINAL = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_PASSING = {"Softmax", "Sigmoid", "LogSoftmax", "Identity", "Add", "Reshape", "Flatten", "Cast"}
_LINEAR = {"Gemm", "MatMul"}
_SMALLEST = 1e-30  # so that the logarithm of a probability stays a number
_make, _kinds = onnx.helper, onnx.TensorProto


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A graph that serves, the columns of its features, and how it makes probabilities."""

    graph: bytes
    blocks: tuple[FeatureBlock, ...]
    activation: str


def wrap(data: bytes, declared: ModelInput, labels: int) -> Wrapped:
    """The graph with input `input` and outputs `logits`, `probabilities`, `features`."""
    model = load_foreign(data)
    taken, given = _input(model), _output(model, labels)
    _check_taken(taken, declared)
    model = onnx.compose.add_prefix(model, "model/")
    graph = model.graph
    source, scores = f"model/{taken.name}", f"model/{given.name}"
    before, constants = _before(declared, source)
    logits, activation, after = _after(graph, scores, declared.activation)
    features, blocks = _features(model, logits, labels)
    nodes = [*before, *graph.node, *after, *features]
    shape = declared.preprocessing.shape
    widths = (labels, labels, sum(block.width for block in blocks))
    whole = _make.make_graph(
        nodes,
        "servable",
        [_make.make_tensor_value_info(INPUT, _kinds.UINT8, ["n", *shape])],
        [
            _make.make_tensor_value_info(name, _kinds.FLOAT, ["n", width])
            for name, width in zip(OUTPUTS, widths, strict=True)
        ],
        [*graph.initializer, *constants],
    )
    made = _make.make_model(
        whole, opset_imports=model.opset_import, ir_version=min(model.ir_version, 10)
    )
    return Wrapped(made.SerializeToString(), blocks, activation)


def load_foreign(data: bytes) -> Any:
    """A graph by somebody else, of an opset that we can work with; Invalid names what is wrong."""
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise Invalid(f"the file is not ONNX: {error}") from error
    check_operators(model)
    opset = next((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), 0)
    if opset >= OLDEST:
        return model
    try:
        return onnx.version_converter.convert_version(model, NEWER)
    except Exception as error:
        raise Invalid(
            f"the graph is of opset {opset} and cannot be brought to a newer one ({error}); export"
            f" it again with opset {NEWER}"
        ) from error


def _input(model: Any) -> Any:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise Invalid(f"the graph has the inputs {names}; one batch of images is expected")
    return inputs[0]


def _output(model: Any, labels: int) -> Any:
    """The output with one score for each label."""
    fitting = [v for v in model.graph.output if _sizes(v)[1:] == (labels,)]
    if len(fitting) == 1:
        return fitting[0]
    said = "; ".join(f"{v.name} {_spoken(_sizes(v))}" for v in model.graph.output)
    raise Invalid(
        f"the graph gives {said}; with {labels} labels one output of (n, {labels}) is expected"
    )


def _check_taken(taken: Any, declared: ModelInput) -> None:
    sizes, (channels, height, width) = _sizes(taken), declared.preprocessing.shape
    first = (None, channels, height, width)
    last = (None, height, width, channels)
    wanted = first if declared.layout is Layout.CHANNELS_FIRST else last
    if taken.type.tensor_type.elem_type != _kinds.FLOAT:
        kind = _kinds.DataType.Name(taken.type.tensor_type.elem_type).lower()
        raise Invalid(f"the graph takes {kind}; export it so that it takes float32 images")
    if sizes[:1] != (None,):
        raise Invalid(
            f"the graph takes {_spoken(sizes)}: exactly {sizes[0]} images at a time. Export it"
            " again with an example of two images and a dynamic first dimension"
        )
    if all(s in {None, w} for s, w in zip(sizes, wanted, strict=False)) and len(sizes) == 4:
        return
    other = last if wanted is first else first
    if sizes == other:
        raise Invalid(
            f"the graph takes {_spoken(sizes)}, with its colours on the other side: the"
            f" preprocessing says `layout: {declared.layout}`"
        )
    raise Invalid(
        f"the graph takes {_spoken(sizes)}, but the preprocessing makes {_spoken(wanted)}: resize"
        " to what the graph takes, or export it again"
    )


def _sizes(value: Any) -> tuple[int | None, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in dimensions)


def _spoken(sizes: Sequence[int | None]) -> str:
    return f"({', '.join('n' if size is None else str(size) for size in sizes)})"


def _before(declared: ModelInput, source: str) -> tuple[list[Any], list[Any]]:
    """The nodes from uint8 images to the graph's own input, and their constants."""
    channels = declared.preprocessing.shape[0]
    nodes = [_make.make_node("Cast", [INPUT], ["before/numbers"], to=_kinds.FLOAT)]
    constants, last = [], "before/numbers"

    def add(operator: str, name: str, values: Any, **attributes: Any) -> None:
        nonlocal last
        constants.append(onnx.numpy_helper.from_array(values, f"before/{name}"))
        made = f"before/after-{name}"
        nodes.append(_make.make_node(operator, [last, f"before/{name}"], [made], **attributes))
        last = made

    if declared.order is Order.BGR and channels == 3:
        add("Gather", "order", np.array([2, 1, 0], np.int64), axis=1)
    add("Div", "divide_by", np.array(declared.divide_by, np.float32))
    for operator, name, numbers in (
        ("Sub", "mean", declared.means),
        ("Div", "deviation", declared.deviations),
    ):
        add(operator, name, np.array(numbers, np.float32).reshape(1, channels, 1, 1))
    if declared.layout is Layout.CHANNELS_LAST:
        nodes.append(_make.make_node("Transpose", [last], [source], END, perm=[0, 2, 3, 1]))
    else:
        nodes.append(_make.make_node("Identity", [last], [source], END))
    return nodes, constants


def _after(graph: Any, scores: str, gives: Gives) -> tuple[str, str, list[Any]]:
    """The tensor of logits, how probabilities are made of it, and the nodes that do so."""
    producer = _producers(graph).get(scores)
    if gives is not Gives.NONE:
        if producer is not None and producer.op_type in _FINAL:
            raise Invalid(
                f"the graph ends with {producer.op_type}, so it gives probabilities already; say"
                " `activation: none` in the preprocessing"
            )
        final = "Softmax" if gives is Gives.SOFTMAX else "Sigmoid"
        return scores, gives.value, _outputs(scores, final)
    if producer is not None and producer.op_type in _FINAL:
        kind = _FINAL[producer.op_type]
        return producer.input[0], kind, _outputs(producer.input[0], producer.op_type)
    smallest = _make.make_node(
        "Constant",
        [],
        ["after/smallest"],
        value=_make.make_tensor("v", _kinds.FLOAT, [], [_SMALLEST]),
    )
    logarithm = [
        smallest,
        _make.make_node("Max", [scores, "after/smallest"], ["after/positive"]),
        _make.make_node("Log", ["after/positive"], ["logits"]),
        _make.make_node("Identity", [scores], ["probabilities"]),
    ]
    return scores, "softmax", logarithm


def _outputs(logits: str, final: str) -> list[Any]:
    attributes = {"axis": -1} if final == "Softmax" else {}
    return [
        _make.make_node("Identity", [logits], ["logits"]),
        _make.make_node(final, [logits], ["probabilities"], **attributes),
    ]


def _features(model: Any, logits: str, labels: int) -> tuple[list[Any], tuple[FeatureBlock, ...]]:
    """Nodes that gather the features, and their columns; the logits where no layer is found."""
    shapes = _shapes(model)
    maps = _last_maps(model.graph, shapes)
    found: list[tuple[str, str, int]] = []
    nodes = []
    for i, (name, width) in enumerate(maps, 1):
        pooled, flat = f"features/pooled-{i}", f"features/block-{i}"
        nodes.append(_make.make_node("GlobalAveragePool", [name], [pooled]))
        nodes.append(_make.make_node("Flatten", [pooled], [flat], axis=1))
        found.append((f"block-{i}", flat, width))
    penultimate = _penultimate(model.graph, logits)
    sizes = shapes.get(penultimate or "", ())
    if penultimate is not None and len(sizes) == 2 and sizes[1]:
        found.append(("penultimate", penultimate, sizes[1]))
    if not found:
        found.append(("logits", logits, labels))
    nodes.append(_make.make_node("Concat", [name for _, name, _ in found], ["features"], axis=1))
    return nodes, tuple(FeatureBlock(block, width) for block, _, width in found)


def _shapes(model: Any) -> Mapping[str, tuple[int | None, ...]]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    return {value.name: _sizes(value) for value in inferred.value_info}


def _last_maps(
    graph: Any, shapes: Mapping[str, tuple[int | None, ...]]
) -> Iterator[tuple[str, int]]:
    """The last map (n, channels, height, width) at each resolution, with its channels."""
    last: dict[tuple[int, int], tuple[str, int]] = {}
    for node in graph.node:
        for name in node.output:
            sizes = shapes.get(name, ())
            if len(sizes) != 4:
                continue
            _, channels, height, width = sizes
            if channels and height and width and min(height, width) > 1:
                last[height, width] = (name, channels)
    return iter(last.values())


def _penultimate(graph: Any, logits: str) -> str | None:
    """What the last linear layer takes, if the logits come from one."""
    producers, name = _producers(graph), logits
    while (node := producers.get(name)) is not None:
        if node.op_type in _LINEAR:
            return str(node.input[0])
        if node.op_type not in _PASSING:
            return None
        name = next((n for n in node.input if n in producers), "")
    return None


def _producers(graph: Any) -> Mapping[str, Any]:
    return {name: node for node in graph.node for name in node.output}
