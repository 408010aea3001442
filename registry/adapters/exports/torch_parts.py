"""The way into torch: a version's graph as a module, where torch is installed."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray, InputArray
from registry.exporting import Runs


def require_packages(*names: str, extra: str = "train") -> None:
    """Invalid if one of them is not installed; `extra` brings them."""
    absent = [name for name in names if find_spec(name) is None]
    if absent:
        raise Invalid(
            f"this needs {' and '.join(absent)}, which is not installed here; install"
            f" stagegate[{extra}]"
        )


def module_of(graph: Path) -> Any:
    """The graph as a module; Invalid if it has operators that no module is made of."""
    require_packages("torch", "onnx")
    import torch

    from registry.adapters.exports.graph_module import read_module

    torch.set_num_threads(1)
    return read_module(graph)


def run_module(module: Any) -> Runs:
    """Anything of torch that takes a batch and gives a tuple."""
    import torch

    def run(inputs: InputArray) -> Sequence[FloatArray]:
        with torch.inference_mode():
            given = module(torch.from_numpy(inputs))
        return [np.asarray(one.numpy()) for one in given]

    return run
