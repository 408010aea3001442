"""Running a bundle's graph with ONNX Runtime."""

from pathlib import Path

import numpy as np

from registry.adapters.quiet import silence
from registry.domain.errors import Invalid
from registry.domain.observations import ByteArray, Observations

INPUT, OUTPUTS = "input", ("logits", "probabilities", "features")


class OnnxModel:
    """One loaded graph; `run` may be called from several threads."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        silence()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.shape: tuple[int, int, int] = tuple(self._session.get_inputs()[0].shape[1:])

    def run(self, inputs: ByteArray) -> Observations:
        """What the graph says of n prepared inputs (n, channels, height, width); labels are -1."""
        if inputs.dtype != np.uint8 or inputs.shape[1:] != self.shape:
            raise Invalid(
                f"the graph takes uint8 (n, {', '.join(map(str, self.shape))}), not"
                f" {inputs.dtype} {inputs.shape}"
            )
        logits, probabilities, features = self._session.run(OUTPUTS, {INPUT: inputs})
        unknown = np.full(len(inputs), -1, dtype=np.int64)
        return Observations(inputs, logits, probabilities, features, unknown)
