"""LiteRT (TensorFlow Lite): a flat file for phones, browsers and small boards.

Its converter needs other packages than ours, so it runs in an environment of its own. Like
ExecuTorch's, the program takes one input at a time: LiteRT 2.3 cannot resize what comes out.
"""

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.exports.own_environment import OwnEnvironment
from registry.adapters.exports.torch_files import program_of, quietly
from registry.adapters.exports.torch_parts import require_packages
from registry.domain.observations import FloatArray, InputArray
from registry.exporting import BATCHES, Content, Runs

MODEL, CONVERTER = "model.tflite", "0.10.0"
_PROGRAM = Path(__file__).with_name("litert_convert.py")
_OUTPUTS = ("output_0", "output_1", "output_2")


class LiteRtExporter:
    """Implements registry.exporting.Exporter; `environments`: where the converter's may lie."""

    batches = BATCHES

    def __init__(self, environments: Path) -> None:
        self._environments = environments

    def require(self) -> None:
        """Torch, onnx, LiteRT's runtime, and the environment, which is made if it is not there."""
        require_packages("torch", "onnx")
        require_packages("ai_edge_litert", extra="litert")
        self._environment().make()

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Convert a program of torch, in the other environment."""
        import torch

        program = program_of(content, 1, 1, 1)
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "model.pt2"
            quietly(lambda: torch.export.save(program, source))
            self._environment().run(_PROGRAM, str(source), str((folder / MODEL).absolute()))
        return {"converter": f"litert-torch {CONVERTER}", "batches": "1"}

    def load(self, content: Content, folder: Path) -> Runs:
        """By LiteRT's own runtime, input by input."""
        del content
        from ai_edge_litert.interpreter import Interpreter

        # the signature works on the interpreter's memory: both must live
        interpreter: Any = Interpreter(str(folder / MODEL), num_threads=1)
        ask = interpreter.get_signature_runner()
        (name,) = next(iter(interpreter.get_signature_list().values()))["inputs"]

        def run(inputs: InputArray) -> list[FloatArray]:
            rows = [ask(**{name: inputs[i : i + 1]}) for i in range(len(inputs))]
            return [np.concatenate([row[output] for row in rows]) for output in _OUTPUTS]

        return run

    def _environment(self) -> OwnEnvironment:
        torch = version("torch").partition("+")[0]
        return OwnEnvironment(
            self._environments,
            f"litert-{CONVERTER}-torch-{torch}",
            (f"litert-torch=={CONVERTER}", f"torch=={torch}"),
            "2.2 GB",
        )
