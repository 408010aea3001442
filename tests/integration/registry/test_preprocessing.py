"""Our image transforms against fastai's own, pixel for pixel."""

from pathlib import Path

import numpy as np
import pytest

from registry.adapters.imaging import ImagePreprocessor
from registry.documents.preprocessing import Method, Preprocessing, Resize

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("method", Method)
def test_resizing_equals_fastai_to_the_bit(method: Method, fastai_world: Path):
    wanted = np.load(fastai_world / "pixels.npz")
    keys = [key for key in wanted if key.split("|")[4] == method]
    assert len(keys) >= 50
    different = [key for key in keys if not _equals(fastai_world, key, wanted[key])]
    assert different == []


def _equals(world: Path, key: str, wanted: np.ndarray) -> bool:
    name, mode, height, width, method, pad_mode = key.split("|")
    step = Resize(width=int(width), height=int(height), method=method, pad_mode=pad_mode)
    preprocessor = ImagePreprocessor(Preprocessing(mode=mode, steps=(step,)))
    found = preprocessor.prepare((world / "odd" / name).read_bytes())
    return np.array_equal(found, wanted.reshape(*wanted.shape[:2], -1).transpose(2, 0, 1))
