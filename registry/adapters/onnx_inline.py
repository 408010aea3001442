"""One file of a graph that keeps its weights beside it: `python -m registry.adapters.onnx_inline`.

MLflow's onnx flavor writes weights to files of their own, and a bundle holds one file. The graph is
not trusted, so it is read in a process that is locked in and sees its folder only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.adapters.jail import Limits, lock_down
from registry.adapters.landlock import confine
from registry.adapters.onnx_check import MAX_GRAPH_BYTES, tensors_of
from registry.adapters.subprocesses import Answer, ask, reply
from registry.domain.errors import Invalid

_SECONDS = 300.0


def inlined(graph: Path, scratch: Path) -> bytes:
    """The graph with its weights in it; Invalid for one that names files elsewhere."""
    question = {"graph": str(graph.resolve())}
    return ask(__name__, question, scratch, _SECONDS, MAX_GRAPH_BYTES).blobs["graph"]


def answer(question: Mapping[str, Any]) -> Answer:
    """The graph as one blob."""
    path = Path(question["graph"])
    confine([path.parent, Path.cwd()])
    import onnx

    lock_down(Limits())
    model = onnx.load(str(path), load_external_data=False)
    for tensor in tensors_of(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location" and Path(entry.value).name != entry.value:
                raise Invalid(f"the graph keeps {tensor.name!r} outside of its folder")
    onnx.load_external_data_for_model(model, str(path.parent))
    return Answer({}, {"graph": model.SerializeToString()})


if __name__ == "__main__":
    reply(answer)
