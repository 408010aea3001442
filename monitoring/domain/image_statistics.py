"""A few numbers that describe an image without any model: how bright, how sharp, which colours."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from registry.domain.observations import ByteArray

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
BRIGHTNESS = "brightness"
COLOURS = ("red", "green", "blue")
_OF_LUMA = (BRIGHTNESS, "contrast", "sharpness")

Statistics = Mapping[str, npt.NDArray[np.float64]]


def image_statistics(images: ByteArray) -> Statistics:
    """Statistics by name, each (n,), of (n, channels, height, width) uint8 images.

    brightness and contrast: mean and standard deviation of the luma, 0 to 255. sharpness: decimal
    logarithm of 1 + the variance of the luma's Laplacian, since that variance spans decades.
    Colour images also have saturation (mean of (max - min) / max, 0 to 1) and the mean of each
    channel.
    """
    channels = images.shape[1]
    pixels = images.astype(np.float32)
    weights = _LUMA if channels == 3 else np.full(channels, 1 / channels, dtype=np.float32)
    luma = np.einsum("nchw,c->nhw", pixels, weights)
    statistics = {
        BRIGHTNESS: luma.mean(axis=(1, 2)),
        "contrast": luma.std(axis=(1, 2)),
        "sharpness": np.log10(1.0 + _laplacian(luma).var(axis=(1, 2))),
    }
    if channels > 1:
        means = pixels.mean(axis=(2, 3))
        statistics |= {name: means[:, c] for c, name in enumerate(_channel_names(channels))}
    if channels == 3:
        statistics["saturation"] = _saturation(images)
    return {name: values.astype(np.float64) for name, values in statistics.items()}


def statistic_names(channels: int) -> tuple[str, ...]:
    """The names of these statistics, in their order."""
    of_colours = _channel_names(channels) if channels > 1 else ()
    return (*_OF_LUMA, *of_colours, *(("saturation",) if channels == 3 else ()))


def _channel_names(channels: int) -> tuple[str, ...]:
    return COLOURS if channels == 3 else tuple(f"channel {c}" for c in range(channels))


def _laplacian(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The four neighbours less four times the middle; zero for images under 3 pixels wide."""
    if min(luma.shape[1:]) < 3:
        return np.zeros_like(luma)
    middle = luma[:, 1:-1, 1:-1]
    across = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    down = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    laplacian: npt.NDArray[np.float32] = across + down - 4.0 * middle
    return laplacian


def _saturation(images: ByteArray) -> npt.NDArray[np.float32]:
    largest = images.max(axis=1)
    spread = (largest - images.min(axis=1)).astype(np.float32)
    share = spread / np.maximum(largest, 1)
    return np.asarray(share.mean(axis=(1, 2)), dtype=np.float32)
