"""BentoML with adaptive batching, as its documentation has it."""

import os
import sys
from typing import Any

import bentoml
import numpy as np
from PIL.Image import Image

from bench.serving.answering import array_of_image, probabilities, row_of, said
from bench.serving.nets import make_net

_BATCH = 32


class _Answering:
    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.net = make_net(os.environ["BENCH_WORKLOAD"])

    def answers(self, inputs: list[np.ndarray]) -> list[dict[str, Any]]:
        return [said(spread) for spread in probabilities(self.net, np.stack(inputs))]


@bentoml.service(workers=1)
class Rows(_Answering):
    """W1."""

    @bentoml.api(batchable=True, max_batch_size=_BATCH, route="/predict")
    def predict(self, inputs: list[dict[str, float]]) -> list[dict[str, Any]]:
        """Rows as JSON."""
        return self.answers([row_of(row) for row in inputs])


@bentoml.service(workers=1)
class Images(_Answering):
    """W2 and W3."""

    @bentoml.api(batchable=True, max_batch_size=_BATCH, route="/predict")
    def predict(self, file: list[Image]) -> list[dict[str, Any]]:
        """Uploaded images."""
        workload = os.environ["BENCH_WORKLOAD"]
        return self.answers([array_of_image(workload, image) for image in file])


if __name__ == "__main__":
    workload, port = sys.argv[1:]
    os.environ["BENCH_WORKLOAD"] = workload
    service = "Rows" if workload == "w1" else "Images"
    words = [f"bench.serving.peers.bentoml_app:{service}", "--port", port, "--host", "127.0.0.1"]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", *words])  # noqa: S606
