"""ExecuTorch: a program for phones and other small machines, with XNNPACK's kernels.

It takes one input at a time. A range of batches can be asked for, but what comes out is narrower
than was asked (torch 2.13, ExecuTorch 1.5), and the devices that it is for rarely have two.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.exports.torch_files import program_of, quietly
from registry.adapters.exports.torch_parts import require_packages
from registry.domain.observations import FloatArray, InputArray
from registry.exporting import BATCHES, Content, Runs

PROGRAM = "model.pte"
_METHOD = "forward"


class ExecuTorchExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def require(self) -> None:
        """Torch, onnx and ExecuTorch."""
        require_packages("torch", "onnx")
        require_packages("executorch", extra="executorch")

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Lower the module to XNNPACK."""

        def lowered() -> bytes:
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
            from executorch.exir import to_edge_transform_and_lower

            program = program_of(content, 1, 1, 1)
            edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            data: bytes = edge.to_executorch().buffer
            return data

        (folder / PROGRAM).write_bytes(quietly(lowered))
        return {"backend": "XNNPACK", "batches": "1"}

    def load(self, content: Content, folder: Path) -> Runs:
        """By ExecuTorch's own runtime, input by input."""
        del content
        import torch

        def loaded() -> Any:
            from executorch.runtime import Runtime

            return Runtime.get().load_program(str(folder / PROGRAM)).load_method(_METHOD)

        method = quietly(loaded)

        def run(inputs: InputArray) -> list[FloatArray]:
            rows = [
                method.execute([torch.from_numpy(inputs[i : i + 1])]) for i in range(len(inputs))
            ]
            return [np.concatenate([row[k].numpy() for row in rows]) for k in range(len(rows[0]))]

        return run
