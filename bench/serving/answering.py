"""What the peers' handlers do with a request: PIL, numpy and eager torch, one input at a time."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from bench.serving.nets import DEVIATION, MEAN, make_net


def array_of(workload: str, data: bytes) -> np.ndarray:
    """An encoded image as the network takes it."""
    return array_of_image(workload, Image.open(io.BytesIO(data)))


def array_of_image(workload: str, image: Image.Image) -> np.ndarray:
    """An image as the network takes it."""
    image = image.convert("L" if workload == "w2" else "RGB")
    side = 28 if workload == "w2" else 224
    if image.size != (side, side):
        image = image.resize((side, side))
    pixels = np.asarray(image, dtype=np.float32) / 255
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return np.ascontiguousarray(((pixels - MEAN) / DEVIATION).transpose(2, 0, 1))


def row_of(row: Mapping[str, float]) -> np.ndarray:
    """One row, its columns in order."""
    return np.array([row[f"f{i}"] for i in range(20)], dtype=np.float32)


def probabilities(net: Any, inputs: np.ndarray) -> np.ndarray:
    """One forward pass."""
    import torch

    with torch.inference_mode():
        return torch.softmax(net(torch.from_numpy(inputs)), 1).numpy()


def said(spread: np.ndarray) -> dict[str, Any]:
    """The answer to one input."""
    return {"index": int(spread.argmax()), "probabilities": [float(p) for p in spread]}


def of_image(net: Any, workload: str, data: bytes) -> dict[str, Any]:
    """The answer to an encoded image."""
    return said(probabilities(net, array_of(workload, data)[None])[0])


def of_rows(net: Any, rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The answer to the first of some rows."""
    return said(probabilities(net, np.stack([row_of(row) for row in rows]))[0])


def expected(workload: str, body: bytes) -> list[float]:
    """The probabilities that every server must give for this body."""
    net = make_net(workload)
    if workload == "w1":
        said = of_rows(net, json.loads(body)["inputs"])
    else:
        said = of_image(net, workload, body)
    return list(said["probabilities"])
