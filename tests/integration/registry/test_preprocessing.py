"""Our image transforms against fastai's own, pixel for pixel."""

from pathlib import Path

import numpy as np
import pytest

from registry.adapters.imaging import ImagePreprocessor
from registry.documents.preprocessing import CenterCrop, Method, Preprocessing, Resize, Step

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("method", [*Method, "center-crop", "random-resized-crop"])
def test_resizing_equals_fastai_to_the_bit(method: str, fastai_world: Path):
    wanted = np.load(fastai_world / "pixels.npz")
    keys = [key for key in wanted if key.split("|")[4] == method]
    assert len(keys) >= 25
    different = [key for key in keys if not _equals(fastai_world, key, wanted[key])]
    assert different == []


def _equals(world: Path, key: str, wanted: np.ndarray) -> bool:
    name, mode, height, width, method, pad_mode = key.split("|")
    steps = _steps(int(width), int(height), method, pad_mode)
    preprocessor = ImagePreprocessor(Preprocessing(mode=mode, steps=steps))
    found = preprocessor.prepare((world / "odd" / name).read_bytes())
    return np.array_equal(found, wanted.reshape(*wanted.shape[:2], -1).transpose(2, 0, 1))


def _steps(width: int, height: int, method: str, pad_mode: str) -> tuple[Step, ...]:
    crop = CenterCrop(op="center-crop", width=width, height=height, pad_mode=pad_mode)
    if method == "center-crop":
        return (crop,)
    if method == "random-resized-crop":
        more = -(-max(width, height) * 14 // 800) * 8  # 14 %, rounded up to a multiple of 8
        return Resize(width=width + more, height=height + more, method="squish"), crop
    return (Resize(width=width, height=height, method=method, pad_mode=pad_mode),)
