"""A golden set of odd images: each has a decided outcome, alone as among others.

docs/models.md tells users the same. fastai's own loader (`PILImage.create`) decides it the same
way, which tests/integration/registry/test_preprocessing.py compares pixel by pixel.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image

from registry.adapters.imaging import ImagePreprocessor
from registry.documents.preprocessing import Preprocessing, Resize
from registry.domain.errors import Invalid, StagegateError, TooLarge, UnsupportedInput

RED, BLUE, GREY = (200, 30, 90), (10, 20, 250), (77, 77, 77)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SIDE = 8
PREPARER = ImagePreprocessor(
    Preprocessing(mode="RGB", steps=(Resize(width=SIDE, height=SIDE, method="squish"),)), 10_000
)


def plain(colour: Any = RED, mode: str = "RGB", size: tuple[int, int] = (12, 9)) -> Image.Image:
    return Image.new(mode, size, colour)


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **options)
    return target.getvalue()


def sixteen_bits(value: int) -> bytes:
    return saved(Image.fromarray(np.full((9, 12), value, np.uint16)))


def turned() -> bytes:
    """Left red, right blue, and a note that says: turn me by 90 degrees."""
    image = plain(size=(12, 12))
    image.paste(BLUE, (6, 0, 12, 12))
    exif = image.getexif()
    exif[0x0112] = 6
    return saved(image, "PNG", exif=exif)


def sixteen_bit_colours() -> bytes:
    """What no encoder of Pillow writes: a PNG with two bytes for each colour."""
    row = b"\0" + b"".join(struct.pack(">H", value * 256 + 255) for value in RED) * 12
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 12, 9, 16, 2, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(row * 9)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def palette() -> Image.Image:
    return plain().convert("P", palette=Image.Palette.ADAPTIVE)


def moving(form: str, **options: Any) -> bytes:
    frames = [plain(BLUE), plain(BLACK)]
    return saved(plain(), form, save_all=True, append_images=frames, duration=50, **options)


def cut_short() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise))
    return data[: len(data) // 2]


# What is seen of each: one colour all over, or two side by side.
SEEN: Mapping[str, tuple[Callable[[], bytes], tuple[tuple[int, ...], ...]]] = {
    "16-bit grey, dark": (lambda: sixteen_bits(77), (GREY,)),
    "16-bit grey, above 255": (lambda: sixteen_bits(30_000), (WHITE,)),
    "16-bit colours": (sixteen_bit_colours, (RED,)),
    "8-bit grey": (lambda: saved(plain(77, "L")), (GREY,)),
    "one bit": (lambda: saved(plain(1, "1")), (WHITE,)),
    "grey with alpha": (lambda: saved(plain((77, 5), "LA")), (GREY,)),
    "alpha, nearly clear": (lambda: saved(plain((*RED, 3), "RGBA")), (RED,)),
    "palette": (lambda: saved(palette()), (RED,)),
    "palette, clear": (lambda: saved(palette(), transparency=0), (RED,)),
    "CMYK": (lambda: saved(plain((55, 225, 165, 0), "CMYK"), "TIFF"), (RED,)),
    "colour profile": (lambda: saved(plain(), icc_profile=b"any profile"), (RED,)),
    "EXIF says turn": (turned, (RED, BLUE)),
    "1 x 1": (lambda: saved(plain(size=(1, 1))), (RED,)),
    "1 x 500": (lambda: saved(plain(size=(1, 500))), (RED,)),
    "animated GIF": (lambda: moving("GIF"), (RED,)),
    "animated PNG": (lambda: moving("PNG"), (RED,)),
    "animated WebP": (lambda: moving("WEBP", lossless=True), (RED,)),
    "TIFF of several pages": (
        lambda: saved(plain(), "TIFF", save_all=True, append_images=[plain(BLUE)]),
        (RED,),
    ),
    "numbers with a point, TIFF": (lambda: saved(plain(77.4, "F"), "TIFF"), (GREY,)),
    "bytes after its end": (lambda: saved(plain()) + b"and then this", (RED,)),
}
REFUSED: Mapping[str, tuple[Callable[[], bytes], type[StagegateError]]] = {
    "nothing": (lambda: b"", UnsupportedInput),
    "truncated": (cut_short, Invalid),
    "a header alone": (lambda: saved(plain())[:40], UnsupportedInput),
    "SVG": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedInput),
    "PDF": (lambda: b"%PDF-1.7\n", UnsupportedInput),
    "EPS": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", UnsupportedInput),
    "HEIC": (lambda: struct.pack(">I", 24) + b"ftypheic" + bytes(12), UnsupportedInput),
    "icon": (lambda: saved(plain(size=(16, 16)), "ICO"), UnsupportedInput),
    "too many pixels": (lambda: saved(plain(size=(200, 100))), TooLarge),
}


def wanted(colours: tuple[tuple[int, ...], ...]) -> np.ndarray:
    columns = np.repeat(np.array(colours, np.uint8), SIDE // len(colours), axis=0)
    return np.broadcast_to(columns.T[:, None], (3, SIDE, SIDE))


@pytest.mark.parametrize("name", SEEN)
def test_an_odd_image_is_seen_as_decided(name: str):
    make, colours = SEEN[name]
    found = PREPARER.prepare(make()).astype(int)
    inner = slice(None) if len(colours) == 1 else [0, 1, 2, 5, 6, 7]  # resizing mixes the border
    assert np.abs(found - wanted(colours))[:, :, inner].max() <= 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_seen_is_refused_as_decided(name: str):
    make, kind = REFUSED[name]
    with pytest.raises(kind):
        PREPARER.prepare(make())


def test_an_image_is_prepared_byte_for_byte_the_same_alone_and_among_others():
    images = [make() for make, _ in SEEN.values()]
    alone = [PREPARER.prepare(image).tobytes() for image in images]
    with ThreadPoolExecutor(4) as pool:
        for together in _many(pool, images):
            assert together == alone


def _many(pool: ThreadPoolExecutor, images: list[bytes]) -> Iterator[list[bytes]]:
    for _ in range(5):
        yield [array.tobytes() for array in pool.map(PREPARER.prepare, images)]
