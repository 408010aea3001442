"""A loaded graph keeps the memory of its weights, not of how it was loaded."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from registry.adapters.onnx_model import INPUT, OUTPUTS

pytestmark = pytest.mark.integration
CHANNELS, LAYERS = 512, 6  # 57 MB of weights in blocks of 9 MB
BYTES = 4 * CHANNELS * CHANNELS * 9 * LAYERS
PROGRAM = """
import sys
from pathlib import Path
import numpy, onnxruntime
from registry.adapters import onnx_model

def resident():
    text = Path("/proc/self/status").read_text()
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])

before = resident()
model = onnx_model.OnnxModel(Path(sys.argv[1]))
assert len(model.run(model.example(1)).logits) == 1
print(resident() - before)
"""


def write_graph(path: Path) -> None:
    """Convolutions one after the other, whose weights ONNX Runtime lays out anew."""
    draw = np.random.default_rng(0)
    nodes, weights, last = [], [], INPUT
    for layer in range(LAYERS):
        name = f"weights-{layer}"
        kernel = draw.random((CHANNELS, CHANNELS, 3, 3), dtype=np.float32)
        weights.append(numpy_helper.from_array(kernel / kernel[0].size, name))
        nodes.append(helper.make_node("Conv", [last, name], [f"after-{layer}"], pads=[1, 1, 1, 1]))
        last = f"after-{layer}"
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
    nodes += [helper.make_node("Identity", ["flat"], [name]) for name in OUTPUTS]

    def value(name: str, *shape: int) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])

    taken, given = value(INPUT, CHANNELS, 4, 4), [value(name, CHANNELS) for name in OUTPUTS]
    graph = helper.make_graph(nodes, "deep", [taken], given, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc can be told")
def test_what_loading_took_is_given_back(tmp_path: Path):
    graph = tmp_path / "model.onnx"
    write_graph(graph)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(graph)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.6 * BYTES
