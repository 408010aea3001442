"""fastai's validation-time image transforms in Pillow and numpy, equal to the bit."""

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from registry.documents.preprocessing import (
    CenterCrop,
    Method,
    PadMode,
    Preprocessing,
    Resample,
    Resize,
    Step,
)
from registry.domain.errors import Invalid, TooLarge, UnsupportedInput
from registry.domain.observations import ByteArray

# No format that starts another program (EPS) or carries a page description.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_FILTERS = {name: Image.Resampling[name.name] for name in Resample}
_NUMPY_MODES: Mapping[PadMode, str] = {PadMode.BORDER: "edge", PadMode.REFLECTION: "reflect"}
# What Pillow's decoders raise on bytes that stop early or contradict themselves.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


class ImagePreprocessor:
    """Prepares encoded images for one version's graph."""

    def __init__(self, document: Preprocessing, max_pixels: int = 50_000_000) -> None:
        self.document = document
        self.max_pixels = max_pixels

    def prepare(self, data: bytes) -> ByteArray:
        """The uint8 array (channels, height, width) of an encoded image.

        UnsupportedInput if it is no image, TooLarge if it has too many pixels, Invalid if it is
        damaged.
        """
        image = self._decode(data)
        for step in self.document.steps:
            image = self._apply(image, step)
        pixels = np.asarray(image)
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _decode(self, data: bytes) -> Image.Image:
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError:
            raise UnsupportedInput(
                f"these {len(data)} bytes are no image; send one of {', '.join(FORMATS)} as it is"
            ) from None
        except _BOMB as error:
            raise TooLarge(str(error)) from None
        except _BROKEN as error:
            raise Invalid(f"the image is truncated or damaged: {error}") from error
        self._check_size(*image.size)
        try:
            image.load()
            return image.convert(self.document.mode)
        except _BOMB as error:
            raise TooLarge(str(error)) from None
        except _BROKEN as error:
            raise Invalid(f"the image is truncated or damaged: {error}") from error

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self.max_pixels:
            raise TooLarge(
                f"the image has {width} x {height} pixels; at most {self.max_pixels:,} are accepted"
            )

    def _apply(self, image: Image.Image, step: Step) -> Image.Image:
        return self._resize(image, step) if isinstance(step, Resize) else self._middle(image, step)

    def _resize(self, image: Image.Image, step: Resize) -> Image.Image:
        size = (step.width, step.height)
        if step.method is not Method.SQUISH:
            image = self._cut_or_fill(image, step)
        try:
            return image.resize(size, _FILTERS[step.resample])
        except ValueError as error:
            raise Invalid(f"an image of {image.size} cannot be brought to {size}: {error}") from (
                error
            )

    def _cut_or_fill(self, image: Image.Image, step: Resize) -> Image.Image:
        """The middle of the image in the wanted shape; fastai truncates toward zero throughout."""
        width, height = image.size
        across, down = width / step.width, height / step.height
        wider = across > down if step.method is Method.PAD else across < down
        scale = across if wider else down
        new_width, new_height = int(scale * step.width), int(scale * step.height)
        left, top = int(0.5 * (width - new_width)), int(0.5 * (height - new_height))
        return self._window(image, (left, top, new_width, new_height), step.pad_mode)

    def _middle(self, image: Image.Image, step: CenterCrop) -> Image.Image:
        """Here fastai rounds down, also below zero."""
        left, top = (image.width - step.width) // 2, (image.height - step.height) // 2
        return self._window(image, (left, top, step.width, step.height), step.pad_mode)

    def _window(
        self, image: Image.Image, window: tuple[int, int, int, int], mode: PadMode
    ) -> Image.Image:
        """What (left, top, width, height) shows of the image, which may end before it does."""
        left, top, new_width, new_height = window
        width, height = image.size
        right, bottom = left + new_width, top + new_height
        if left >= 0 or top >= 0 or right <= width or bottom <= height:
            box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
            image = image.crop(box)
        border = (max(-left, 0), max(-top, 0), max(right - width, 0), max(bottom - height, 0))
        if not any(border):
            return image
        self._check_size(new_width, new_height)
        return _pad(image, border, mode)


def _pad(image: Image.Image, border: tuple[int, int, int, int], mode: PadMode) -> Image.Image:
    if mode is PadMode.ZEROS:
        return ImageOps.expand(image, border=border, fill=0)
    left, top, right, bottom = border
    pixels = np.asarray(image)
    widths = ((top, bottom), (left, right), (0, 0))[: pixels.ndim]
    return Image.fromarray(np.pad(pixels, widths, mode=_NUMPY_MODES[mode]))  # type: ignore[call-overload]
