"""Ray Serve with @serve.batch, one replica, as its documentation has it."""

import signal
import sys
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from bench.serving.answering import array_of, probabilities, row_of, said
from bench.serving.nets import make_net

_ADDRESS = "127.0.0.2"  # Ray takes 127.0.0.1 for another address of the machine


@serve.deployment(num_replicas=1, max_ongoing_requests=128)
class Answering:
    """One network."""

    def __init__(self, workload: str) -> None:
        import torch

        torch.set_num_threads(1)
        self.workload = workload
        self.net = make_net(workload)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.002)
    async def answers(self, inputs: list[np.ndarray]) -> list[dict[str, Any]]:
        """One forward pass."""
        return [said(spread) for spread in probabilities(self.net, np.stack(inputs))]

    async def __call__(self, request: Request) -> dict[str, Any]:
        """One row, or one uploaded image."""
        if self.workload == "w1":
            one = row_of((await request.json())["inputs"][0])
        else:
            async with request.form() as form:
                one = array_of(self.workload, await form["file"].read())  # type: ignore[union-attr]
        return await self.answers(one)


def main(workload: str, port: int) -> None:
    """Answer until SIGTERM."""
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False,
        object_store_memory=80 << 20, _node_ip_address=_ADDRESS,
    )  # fmt: skip
    serve.start(
        http_options={"host": "127.0.0.1", "port": port}, logging_config={"log_level": "WARNING"}
    )
    serve.run(
        Answering.options(ray_actor_options={"num_cpus": 0.1}).bind(workload),
        route_prefix="/predict",
    )
    signal.sigwait({signal.SIGTERM})
    ray.shutdown()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main(sys.argv[1], int(sys.argv[2]))
