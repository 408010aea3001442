"""PyTriton: Triton's own server and batcher before a function in Python."""

import sys
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.serving.answering import array_of, probabilities
from bench.serving.nets import LABELS, make_net


def main(workload: str, port: int) -> None:
    """Answer until SIGTERM."""
    import torch

    torch.set_num_threads(1)
    net = make_net(workload)

    @batch
    def infer(x: np.ndarray) -> dict[str, Any]:
        inputs = x if workload == "w1" else np.stack([array_of(workload, one[0]) for one in x])
        return {"probabilities": probabilities(net, inputs)}

    kind = (np.float32, (20,)) if workload == "w1" else (bytes, (1,))
    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, allow_grpc=False, allow_metrics=False
    )
    batching = ModelConfig(
        max_batch_size=32, batcher=DynamicBatcher(max_queue_delay_microseconds=2000)
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="net",
            infer_func=infer,
            inputs=[Tensor(name="x", dtype=kind[0], shape=kind[1])],
            outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(LABELS[workload],))],
            config=batching,
        )
        triton.serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
