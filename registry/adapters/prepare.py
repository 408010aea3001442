"""The engine of preprocessing documents: one door for images and for rows of tables."""

from typing import Protocol

from registry.adapters.imaging import ImagePreprocessor
from registry.adapters.row_values import RowPreprocessor
from registry.documents.preprocessing import AnyPreprocessing, Preprocessing
from registry.domain.observations import InputArray

MAX_PIXELS = 50_000_000


class Preprocessor(Protocol):
    """Makes what a graph takes of an encoded input."""

    def prepare(self, data: bytes) -> InputArray:
        """One input; UnsupportedInput, TooLarge or Invalid say what is wrong with it."""


def preprocessor(document: AnyPreprocessing, max_pixels: int = MAX_PIXELS) -> Preprocessor:
    """The engine of a document."""
    if isinstance(document, Preprocessing):
        return ImagePreprocessor(document, max_pixels)
    return RowPreprocessor(document)
