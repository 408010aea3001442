"""Which graphs a bundle may hold."""

from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from registry.adapters.onnx_check import check_graph
from registry.domain.errors import Invalid

SHAPE = (3, 2, 2)


def a_graph(**changes: Any) -> onnx.ModelProto:
    """Sums of pixels as logits, probabilities and features; `changes` spoil one thing each."""
    kind = changes.get("input_type", TensorProto.UINT8)
    pixels = helper.make_tensor_value_info("input", kind, ["n", *changes.get("shape", SHAPE)])
    names = changes.get("outputs", ("logits", "probabilities", "features"))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in names]
    weights = helper.make_tensor("weights", TensorProto.FLOAT, [12, 2], [0.5] * 24)
    nodes = [
        helper.make_node("Cast", ["input"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        *[helper.make_node("MatMul", ["flat", "weights"], [name]) for name in names],
    ]
    graph = helper.make_graph(nodes, "graph", [pixels], outputs, [weights])
    imports = [helper.make_opsetid("", 20), *changes.get("imports", ())]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def check(model: onnx.ModelProto) -> None:
    check_graph(model.SerializeToString(), SHAPE, labels=2, features=2)


def test_a_graph_with_our_inputs_and_outputs_passes():
    check(a_graph())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_type": TensorProto.FLOAT}, "inputs have 'input'"),
        ({"shape": (3, 4, 1)}, "inputs have 'input' with shape"),
        ({"outputs": ("logits", "probabilities")}, "outputs are logits, probabilities; expected"),
        ({"imports": [helper.make_opsetid("com.evil", 1)]}, r"not ONNX's own: com\.evil"),
    ],
)
def test_a_graph_that_promises_something_else_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(Invalid, match=message):
        check(a_graph(**changes))


def test_an_input_that_nobody_would_feed_is_refused():
    model = a_graph()
    model.graph.input.append(helper.make_tensor_value_info("secret", TensorProto.FLOAT, [1]))
    with pytest.raises(Invalid, match="inputs are input, secret; expected input"):
        check(model)


def test_outputs_in_another_order_are_refused():
    with pytest.raises(Invalid, match="expected logits, probabilities, features"):
        check(a_graph(outputs=("probabilities", "logits", "features")))


def test_functions_of_its_own_are_refused_by_name_and_with_the_way_out():
    model = a_graph(imports=[helper.make_opsetid("mine", 1)])
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(
        helper.make_function("mine", "Scale", ["a"], ["b"], body, [helper.make_opsetid("", 20)])
    )
    with pytest.raises(Invalid, match=r"functions of its own \(Scale\).*inline_local_functions"):
        check(model)


def test_work_that_depends_on_the_image_is_refused():
    model = a_graph()
    branch = helper.make_graph(
        [helper.make_node("Identity", ["float"], ["same"])], "branch", [],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
    )  # fmt: skip
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(yes)
    choice = helper.make_node("If", ["yes"], ["x"], then_branch=branch, else_branch=branch)
    model.graph.node.insert(1, choice)
    with pytest.raises(Invalid, match="has a If"):
        check(model)


def test_bytes_that_are_no_graph_are_refused():
    with pytest.raises(Invalid, match="not valid ONNX"):
        check_graph(b"nonsense", SHAPE, 2, 2)


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret", "weights.bin"])
def test_data_in_another_file_are_refused(place: str):
    model = a_graph()
    tensor = model.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    with pytest.raises(Invalid):
        check(model)
