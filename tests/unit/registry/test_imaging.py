"""What happens to bytes that are no proper image; pixels are compared with fastai elsewhere."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from registry.adapters.imaging import ImagePreprocessor
from registry.adapters.proof_pictures import proof_pictures
from registry.documents.preprocessing import Preprocessing, Resize, read_preprocessing
from registry.domain.errors import Invalid, TooLarge, UnsupportedInput


def a_preprocessor(max_pixels: int = 10_000, **step: object) -> ImagePreprocessor:
    resize = Resize.model_validate({"width": 8, "height": 6, **step})
    return ImagePreprocessor(Preprocessing(mode="RGB", steps=(resize,)), max_pixels)


def encoded(width: int, height: int, form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, form)
    return target.getvalue()


def test_an_image_becomes_channels_height_width():
    prepared = a_preprocessor().prepare(encoded(40, 30))
    assert prepared.shape == (3, 6, 8)
    assert prepared.dtype == np.uint8
    assert prepared.flags.c_contiguous


@pytest.mark.parametrize("form", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_the_usual_formats_are_read(form: str):
    assert a_preprocessor().prepare(encoded(20, 20, form)).shape == (3, 6, 8)


@pytest.mark.parametrize("data", [b"", b"hello", b"{}", b"%!PS-Adobe-3.0 EPSF-3.0\n", bytes(100)])
def test_bytes_that_are_no_image_are_unsupported(data: bytes):
    with pytest.raises(UnsupportedInput, match="no image"):
        a_preprocessor().prepare(data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_an_image_cut_short_is_invalid(form: str):
    data = encoded(60, 60, form)
    with pytest.raises(Invalid, match="truncated or damaged"):
        a_preprocessor().prepare(data[: len(data) // 2])


def test_an_image_with_too_many_pixels_is_too_large():
    with pytest.raises(TooLarge, match="200 x 100 pixels; at most 10,000"):
        a_preprocessor().prepare(encoded(200, 100))


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int):
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"")) * 2
    with pytest.raises(TooLarge):
        a_preprocessor(max_pixels=50_000_000).prepare(data)


def test_padding_a_very_wide_image_may_not_explode():
    with pytest.raises(TooLarge):
        a_preprocessor(max_pixels=50_000, method="pad").prepare(encoded(9_000, 2))


def test_the_proof_pictures_are_the_same_each_time_and_can_be_prepared():
    first, second = proof_pictures(), proof_pictures()
    assert first == second
    assert len(first) >= 5
    for data in first.values():
        assert a_preprocessor(100_000).prepare(data).shape == (3, 6, 8)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "CMYK"}, {"steps": []}, {"more": 1}, {"schema_version": 2},
        {"steps": [{"op": "rotate", "width": 3, "height": 3}]},
        {"steps": [{"op": "resize", "width": 0, "height": 3}]},
        {"steps": [{"op": "resize", "width": 3, "height": 100_000}]},
    ],
)  # fmt: skip
def test_a_document_that_says_something_else_is_invalid(change: dict[str, object]):
    good = Preprocessing(mode="RGB", steps=(Resize(width=3, height=3),))
    bad = good.model_dump(mode="json") | change
    import json

    with pytest.raises(Invalid, match=r"preprocessing\.json"):
        read_preprocessing(json.dumps(bad).encode())


def test_a_document_reads_as_it_was_written():
    document = Preprocessing(mode="L", steps=(Resize(width=3, height=4, method="pad"),))
    assert read_preprocessing(document.document()) == document
    assert document.shape == (1, 4, 3)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
