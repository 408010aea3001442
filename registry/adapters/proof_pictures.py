"""Small inputs of every kind that a bundle keeps, to be asked again wherever it is opened.

They hold nobody's data: shapes and noise from a fixed seed, in the modes and proportions where
image libraries differ.
"""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from registry.adapters.made_rows import proof_rows
from registry.documents.preprocessing import AnyPreprocessing, Preprocessing

_KINDS = (
    ("wide.png", "RGB", (131, 66)),
    ("high.jpg", "RGB", (70, 123)),
    ("grey.png", "L", (90, 90)),
    ("transparent.png", "RGBA", (64, 97)),
    ("palette.gif", "P", (101, 80)),
)


def proof_inputs(document: AnyPreprocessing) -> Mapping[str, bytes]:
    """Encoded inputs by name, of the kind that the document prepares."""
    return proof_pictures() if isinstance(document, Preprocessing) else proof_rows(document)


def proof_pictures() -> Mapping[str, bytes]:
    """Encoded pictures by name; the same bytes are stored, so encoders may change."""
    draw = np.random.default_rng(20)
    return {name: _encode(draw, name, mode, size) for name, mode, size in _KINDS}


def _encode(draw: np.random.Generator, name: str, mode: str, size: tuple[int, int]) -> bytes:
    width, height = size
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    bands = [(across * 2 + down * k) % 256 for k in (1, 2, 3)]
    noise = draw.integers(0, 40, (height, width, 4))
    pixels = np.stack([*bands, 255 - across % 200], axis=-1)
    picture = Image.fromarray(((pixels + noise) % 256).astype(np.uint8), "RGBA").convert(mode)
    target = io.BytesIO()
    picture.save(target, format={"jpg": "JPEG"}.get(name[-3:], name[-3:].upper()))
    return target.getvalue()
