"""Whether other people's clients, as they come from PyPI, get answers from the running service.

    python -m bench.foreign_clients --triton PYTHON

MLflow's own scoring client asks `/models/colours/invocations`; tritonclient, in an environment of
its own (its protobuf is older than ours; PYTHON is the interpreter there), asks over gRPC.
"""

import argparse
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import colours
from service_process import running

from bench.api_conformance import register

_TRITON = """
import base64, json, sys
import numpy as np
import tritonclient.grpc as grpc
client = grpc.InferenceServerClient(sys.argv[1])
pictures = [base64.b64decode(one) for one in json.load(sys.stdin)]
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("colours")
print("server", client.get_server_metadata().name, "versions", client.get_model_metadata("colours").versions)
image = grpc.InferInput("image", [len(pictures)], "BYTES")
image.set_data_from_numpy(np.array(pictures, dtype=np.object_))
found = client.infer("colours", [image], request_id="r1", outputs=[grpc.InferRequestedOutput("prediction"), grpc.InferRequestedOutput("probabilities")])
assert found.get_response().id == "r1"
assert found.as_numpy("probabilities").shape == (len(pictures), 3)
print(json.dumps([label.decode() for label in found.as_numpy("prediction")]))
try:
    client.infer("nobody", [image])
except grpc.InferenceServerException as error:
    print("refused", error.status(), str(error.message())[:60])
"""  # noqa: E501 - the program of another environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triton", required=True, help="a Python that has tritonclient[grpc]")
    args = parser.parse_args()
    inputs, labels = colours.pictures(np.random.default_rng(5), 4)
    truth = [colours.COLOURS[label] for label in labels]
    sent = [base64.b64encode(colours.encode(one)).decode() for one in inputs]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    os.environ["STAGEGATE_GRPC_PORT"] = str(port)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/test.db"
        register(url, Path(folder))
        with running(Path(folder) / "home", url) as service:
            done = subprocess.run(
                [args.triton, "-c", _TRITON, f"127.0.0.1:{port}"],
                input=json.dumps(sent), text=True, check=True, stdout=subprocess.PIPE,
            )  # fmt: skip
            print(done.stdout, "tritonclient agrees:", json.dumps(truth) in done.stdout)
            print("MLflow agrees:", _mlflow(str(service.http.base_url), sent) == truth)


def _mlflow(url: str, sent: list[str]) -> list[str]:
    """Our path stands before its own, which it joins to the host and port that it is given."""
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    parts = urlsplit(url)
    client = ScoringServerClient(parts.hostname, f"{parts.port}/models/colours")
    client.wait_server_ready(timeout=30)
    found = client.invoke(pd.DataFrame({"image": sent}))
    return [row["prediction"] for row in found.get_predictions().to_dict("records")]


if __name__ == "__main__":
    main()
