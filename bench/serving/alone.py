"""`python -m bench.serving.alone WORKLOAD PORT HOME`: our engine, and none of our duties.

The same server loop, reading of the body, transforms, batches and runtime, for the version that is
live in HOME. No routing, scores, live window, decision, log or store; no middleware either.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.requests import Request

from monitoring.domain.window import LiveWindow
from registry.adapters.bundle import open_bundle
from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import preprocessor
from registry.domain.observations import InputArray, Observations
from serving.adapters.engine import Batching, Engine
from serving.api.body import read_body
from serving.domain.prediction import Prediction, RawPrediction
from serving.ports import Scores

_LIMIT = 20 << 20


class Runner:
    """Transforms and graph of a bundle; nothing is scored or counted."""

    def __init__(self, folder: Path) -> None:
        bundle = open_bundle(folder)
        document = bundle.preprocessing()
        self.labels = tuple(bundle.said()["labels"])
        self._preprocessor = preprocessor(document, 50_000_000)
        self._model = OnnxModel(bundle.model, 1, document.seen)

    def prepare(self, data: bytes) -> InputArray:
        """One input as the graph takes it."""
        return self._preprocessor.prepare(data)

    def run(self, inputs: InputArray) -> tuple[Observations, None]:
        """One forward pass."""
        return self._model.run(inputs), None

    def observe(self, observations: Observations, scores: Scores | None, now: datetime) -> None:
        """Count nothing."""

    def drain(self, now: datetime) -> LiveWindow | None:
        """Nothing was counted."""
        del now

    def warm(self, batch: int) -> None:
        """Run a batch of this size."""
        self.run(self._model.example(batch))


class _Unmeasured:
    """Takes no measurements."""

    def prepared(self, seconds: float) -> None:
        pass

    def batched(self, size: int, queued: float, ran: float) -> None:
        pass

    def predicted(self, prediction: Prediction, seconds: float) -> None:
        pass

    def shadowed(self, model: str, shadow: Any) -> None:
        pass


def bundle_in(home: Path) -> Path:
    """The folder of the one bundle in a home."""
    return next(home.glob("artifacts/**/manifest.json")).parent


class App:
    """Plain ASGI: any POST is an input."""

    def __init__(self, workload: str, home: Path) -> None:
        self._rows = workload == "w1"
        self._engine = Engine(
            workload, 1, Runner(bundle_in(home)), None, _Unmeasured(),
            lambda: datetime.now(UTC), Batching(),
        )  # fmt: skip

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read, run, answer."""
        if scope["type"] != "http":
            return
        data = await read_body(Request(scope, receive), _LIMIT)
        if self._rows:
            data = msgspec.json.encode(msgspec.json.decode(data)["inputs"][0])
        raw = await asyncio.wrap_future(self._engine.submit(data))
        body = msgspec.json.encode(_said(raw))
        kind = (b"content-type", b"application/json")
        headers = [kind, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _said(raw: RawPrediction) -> dict[str, Any]:
    spread = dict(zip(raw.labels, raw.probabilities, strict=True))
    return {"prediction": raw.label, "index": raw.index, "probabilities": spread}


if __name__ == "__main__":
    app = App(sys.argv[1], Path(sys.argv[3]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", lifespan="off")
