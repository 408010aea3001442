"""Believing a graph: only standard operators, no external data, exactly our inputs and outputs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from registry.domain.errors import Invalid

MAX_GRAPH_BYTES = 1 << 30
_STANDARD = {"", "ai.onnx"}
_UINT8, _FLOAT = 2, 1
_EXTERNAL = 1  # TensorProto.EXTERNAL
IMAGE_RANK = 3  # rows of a table have one dimension


def check_graph(data: bytes, shape: Sequence[int], labels: int, features: int) -> None:
    """Invalid unless these bytes are a graph that a bundle may hold."""
    if len(data) > MAX_GRAPH_BYTES:
        raise Invalid(f"the graph has {len(data) >> 20} MiB; at most {MAX_GRAPH_BYTES >> 20} fit")
    import onnx

    try:
        model = onnx.load_model_from_string(data)
        check_operators(model)
        onnx.checker.check_model(model, full_check=True)
    except Invalid:
        raise
    except Exception as error:
        raise Invalid(f"the graph is not valid ONNX: {error}") from error
    for tensor in model.graph.initializer:
        if tensor.data_type == _FLOAT and np.isnan(onnx.numpy_helper.to_array(tensor)).any():
            raise Invalid(f"the graph's weights {tensor.name!r} hold NaN; export a model without")
    taken = _UINT8 if len(shape) == IMAGE_RANK else _FLOAT
    _check_values("inputs", model.graph.input, taken, {"input": (None, *shape)})
    widths = {"logits": labels, "probabilities": labels, "features": features}
    wanted = {name: (None, width) for name, width in widths.items()}
    _check_values("outputs", model.graph.output, _FLOAT, wanted)


def check_operators(model: Any) -> None:
    """Invalid if a graph needs more than ONNX's own operators, or reads more than its own file.

    Asked before anything else looks at a foreign graph, a runtime above all.
    """
    for node in model.graph.node:
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            raise Invalid(
                f"the graph has a {node.op_type}, so its work depends on what it is shown; a model"
                " that runs the same steps for every image is needed"
            )
    if model.functions:
        names = ", ".join(sorted({function.name for function in model.functions})[:5])
        raise Invalid(
            f"the graph brings functions of its own ({names}), which are not followed here; export"
            " it again with its functions inlined (onnx.inliner.inline_local_functions)"
        )
    imported = {o.domain for o in model.opset_import}
    used = {node.domain for node in model.graph.node}
    foreign = sorted((imported | used) - _STANDARD)
    if foreign:
        raise Invalid(
            f"the graph needs operators that are not ONNX's own: {', '.join(foreign)}; export it"
            " again with the operators of ONNX alone"
        )
    for tensor in tensors_of(model.graph):
        if tensor.external_data or tensor.data_location == _EXTERNAL:
            raise Invalid(
                f"the graph keeps {tensor.name!r} in another file; export it again as one file"
                " (external_data=False)"
            )


def tensors_of(graph: Any) -> Iterator[Any]:
    """Every tensor of a graph and of the graphs in its nodes."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _check_values(
    what: str, values: Any, kind: int, wanted: Mapping[str, tuple[int | None, ...]]
) -> None:
    names = [value.name for value in values]
    if names != list(wanted):
        raise Invalid(f"the graph's {what} are {', '.join(names)}; expected {', '.join(wanted)}")
    for value in values:
        tensor = value.type.tensor_type
        sizes = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        if tensor.elem_type != kind or sizes != wanted[value.name]:
            raise Invalid(
                f"the graph's {what} have {value.name!r} with shape {sizes}, expected"
                f" {wanted[value.name]}"
            )
