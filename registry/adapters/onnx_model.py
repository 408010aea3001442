"""Running a bundle's graph with ONNX Runtime."""

from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.loading_memory import giving_back
from registry.adapters.quiet import silence
from registry.domain.errors import Invalid
from registry.domain.observations import InputArray, InputColumn, Observations

_KINDS: dict[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(float)": np.dtype(np.float32),
}
INPUT, OUTPUTS = "input", ("logits", "probabilities", "features")


class OnnxModel:
    """One loaded graph; `run` may be called from several threads.

    columns: what the columns of its input are, if it takes rows.
    """

    def __init__(self, path: Path, threads: int = 1, columns: tuple[InputColumn, ...] = ()) -> None:
        silence()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with giving_back():
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        taken = self._session.get_inputs()[0]
        self.shape: tuple[int, ...] = tuple(taken.shape[1:])
        self._kind = _KINDS[taken.type]
        self._columns = columns

    def run(self, inputs: InputArray) -> Observations:
        """What the graph says of n prepared inputs, images or rows; labels are -1."""
        if inputs.dtype != self._kind or inputs.shape[1:] != self.shape:
            raise Invalid(
                f"the graph takes {self._kind} (n, {', '.join(map(str, self.shape))}), not"
                f" {inputs.dtype} {inputs.shape}"
            )
        logits, probabilities, features = self._session.run(OUTPUTS, {INPUT: inputs})
        unknown = np.full(len(inputs), -1, dtype=np.int64)
        return Observations(inputs, logits, probabilities, features, unknown, self._columns)

    def example(self, count: int) -> InputArray:
        """So many inputs of zeros."""
        zeros: InputArray = np.zeros((count, *self.shape), dtype=self._kind)
        return zeros
