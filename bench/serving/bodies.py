"""Requests without end, each unlike all others, made from a few images or rows."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from itertools import count

import numpy as np
from PIL import Image

KINDS = {"w1": "application/json", "w2": "image/png", "w3": "image/jpeg"}
_EXAMPLES = 32
_STEP = 6_180_339_887_501  # has no factor in common with 10**13, so its multiples there all differ


def examples(workload: str, seed: int = 3, number: int = _EXAMPLES) -> list[bytes]:
    """Encoded images of blobs and noise, or rows as JSON."""
    draw = np.random.default_rng(seed)
    if workload == "w1":
        return [json.dumps(row).encode() for row in rows(seed, number)]
    side, channels, kind = (28, 1, "PNG") if workload == "w2" else (224, 3, "JPEG")
    return [_encoded(_blobs(draw, side, channels), kind) for _ in range(number)]


def rows(seed: int, number: int) -> list[dict[str, float]]:
    """Rows of twenty numbers."""
    drawn = np.random.default_rng(seed).normal(size=(number, 20))
    return [{f"f{i}": round(float(x), 6) for i, x in enumerate(row)} for row in drawn]


def stream(workload: str, first: int = 0) -> Callable[[], bytes]:
    """Gives a body at each call; none comes twice, so that no server can answer from memory."""
    made, numbers = examples(workload), count(first)

    def image() -> bytes:
        number = next(numbers)
        body, note = made[number % len(made)], struct.pack(">Q", number)
        if workload == "w2":  # a text chunk before the end of the PNG
            chunk = b"tEXtn\0" + note.hex().encode()
            crc = struct.pack(">I", zlib.crc32(chunk))
            return body[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + crc + body[-12:]
        return body[:2] + b"\xff\xfe\x00\x0a" + note + body[2:]  # a comment after the JPEG's start

    def row() -> bytes:
        number = next(numbers)
        body = made[number % len(made)]
        last = b"0.%013d}]}" % (number * _STEP % 10**13)
        return b'{"inputs":[' + body[: body.rindex(b" ") + 1] + last

    return row if workload == "w1" else image


def _blobs(draw: np.random.Generator, side: int, channels: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side] / side
    pixels = np.zeros((side, side, channels))
    for channel in range(channels):
        for _ in range(3):
            y, x, size = draw.random(), draw.random(), 0.1 + 0.2 * draw.random()
            pixels[..., channel] += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / size**2)
    noisy = 200 * pixels / pixels.max() + draw.normal(20, 12, pixels.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(out, kind)
    return out.getvalue()
