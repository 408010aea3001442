"""Requests with idempotency keys, and a process of its own that sends them.

`python keyed_child.py URL PAYLOADS all` sends every request once a line comes in, and prints the
ids of the answers; with the name of a protocol it sends one, and stands still between the commit
and the answer.
"""

import base64
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import serving_app
import structlog
from serving_fakes import FakeRunner, Measured, image
from starlette.testclient import TestClient

from registry.adapters.database.engine import Database
from serving.domain.prediction import Prediction

_UNIT = {"X-Stagegate-Attributes": '{"user_id": "u"}'}


def predict(client: TestClient, key: str, *images: bytes) -> Any:
    (one,) = images
    headers = {"Idempotency-Key": key, **_UNIT}
    return client.post("/v1/models/waste/predict", content=one, headers=headers)


def infer(client: TestClient, key: str, *images: bytes) -> Any:
    data = [base64.b64encode(one).decode() for one in images]
    tensor = {"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}
    headers = {"Idempotency-Key": key, **_UNIT}
    return client.post("/v2/models/waste/infer", json={"inputs": [tensor]}, headers=headers)


def invoke(client: TestClient, key: str, *images: bytes) -> Any:
    data = [base64.b64encode(one).decode() for one in images]
    headers = {"Idempotency-Key": key, **_UNIT}
    return client.post("/models/waste/invocations", json={"instances": data}, headers=headers)


PROTOCOLS: Mapping[str, Callable[..., Any]] = {"predict": predict, "infer": infer, "invoke": invoke}
ONE, TWO = (image("metal"),), (image("metal"), image("glass"))
BODIES = {"predict": ONE, "infer": TWO, "invoke": TWO}
KEYS = tuple((protocol, f"{protocol}-{n}") for n in range(8) for protocol in PROTOCOLS)


def ids(answer: Any) -> list[str]:
    """The ids of the predictions in an answer, whatever protocol it is in."""
    assert answer.status_code == 200, answer.text
    document = answer.json()
    if "outputs" in document:
        return next(one["data"] for one in document["outputs"] if one["name"] == "id")
    return [one["id"] for one in document.get("predictions", [document])]


def send_all(client: TestClient) -> list[list[str]]:
    return [ids(PROTOCOLS[name](client, key, *BODIES[name])) for name, key in KEYS]


class Standstill(Measured):
    """Measured after the commit and before the answer: there it ends."""

    def predicted(self, prediction: Prediction, seconds: float) -> None:
        say("committed")
        threading.Event().wait()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    url, payloads, what = sys.argv[1:]
    runners = {1: FakeRunner("paper"), 2: FakeRunner()}
    serving = serving_app.parts(Database(url), payloads, runners)
    if what != "all":
        serving = replace(serving, measurements=Standstill())
    with serving_app.client(serving) as client:
        say("ready")
        if what != "all":
            PROTOCOLS[what](client, "key", *BODIES[what])
        sys.stdin.readline()
        say(json.dumps(send_all(client)))


if __name__ == "__main__":
    main()
