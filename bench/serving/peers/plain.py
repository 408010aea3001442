"""The plain FastAPI server: model loaded in lifespan, sync handler, PIL, eager torch."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from pydantic import BaseModel

from bench.serving.answering import of_image, of_rows
from bench.serving.nets import make_net

workload, port = sys.argv[1], int(sys.argv[2])
state: dict[str, Any] = {}


class Rows(BaseModel):
    """The body of W1."""

    inputs: list[dict[str, float]]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load the model."""
    import torch

    torch.set_num_threads(1)
    state["net"] = make_net(workload)
    yield


app = FastAPI(lifespan=lifespan)

if workload == "w1":

    @app.post("/predict")
    def predict_rows(rows: Rows) -> dict[str, Any]:
        """Rows as JSON."""
        return of_rows(state["net"], rows.inputs)

else:

    @app.post("/predict")
    def predict_image(file: UploadFile) -> dict[str, Any]:
        """An uploaded image."""
        return of_image(state["net"], workload, file.file.read())


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
