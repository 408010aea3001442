"""LitServe with its batching on, as its documentation has it."""

import sys
from typing import Any

import litserve
import numpy as np
from fastapi import Request

from bench.serving.answering import array_of, probabilities, row_of, said
from bench.serving.nets import make_net

workload, port = sys.argv[1], int(sys.argv[2])


class Answering(litserve.LitAPI):
    """One network."""

    def setup(self, device: str) -> None:
        """Load the model."""
        import torch

        torch.set_num_threads(1)
        self.net = make_net(workload)

    def decode_request(self, request: Request) -> np.ndarray:
        """One row, or one uploaded image."""
        # LitServe reads the annotation, and hands over the parsed JSON or form
        if workload == "w1":
            return row_of(request["inputs"][0])  # type: ignore[index]
        return array_of(workload, request["file"].file.read())  # type: ignore[index]

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Inputs side by side."""
        return np.stack(inputs)

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """One forward pass."""
        return probabilities(self.net, inputs)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        """The answers one by one."""
        return list(output)

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        """The answer."""
        return said(output)


if __name__ == "__main__":
    api = Answering(max_batch_size=32, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=port, generate_client_file=False, log_level="warning"
    )
