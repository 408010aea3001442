"""`mlflow models serve` with a pyfunc of the network; images come as base64 in a frame."""

import base64
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from bench.serving.answering import array_of, probabilities, row_of, said
from bench.serving.nets import make_net


class Answering(mlflow.pyfunc.PythonModel):
    """One network."""

    def __init__(self, workload: str) -> None:
        self.workload = workload

    def load_context(self, context: Any) -> None:
        """Load the model."""
        import torch

        torch.set_num_threads(1)
        self.net = make_net(self.workload)

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[dict[str, Any]]:
        """Rows, or images in a column of their own."""
        if self.workload == "w1":
            inputs = [row_of(row) for row in model_input.to_dict("records")]
        else:
            inputs = [array_of(self.workload, base64.b64decode(x)) for x in model_input["image"]]
        return [said(spread) for spread in probabilities(self.net, np.stack(inputs))]


def main(workload: str, port: str) -> None:
    """Store the model where the bench keeps what it makes, and serve it."""
    place = Path("mlflow-models") / workload
    if not (place / "MLmodel").exists():
        mlflow.pyfunc.save_model(place, python_model=Answering(workload), pip_requirements=[])
    words = ["models", "serve", "-m", str(place), "-p", port, "-h", "127.0.0.1", "-w", "1"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *words, "--env-manager", "local"])  # noqa: S606


if __name__ == "__main__":
    from bench.serving.peers import mlflow_app  # so that the stored class has a name to be found by

    mlflow_app.main(*sys.argv[1:])
