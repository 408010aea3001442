"""Prepared inputs drawn at random, for trying a graph: images of any colours, rows of any kind."""

from collections.abc import Callable

import numpy as np

from registry.adapters.made_rows import made_rows
from registry.adapters.row_values import RowPreprocessor
from registry.documents.preprocessing import AnyPreprocessing, Preprocessing
from registry.domain.observations import InputArray

Draw = Callable[[int, np.random.Generator], InputArray]


def drawn_inputs(document: AnyPreprocessing) -> Draw:
    """Draws so many inputs as a document prepares them."""
    if isinstance(document, Preprocessing):
        shape = document.shape
        return lambda n, draw: draw.integers(0, 256, (n, *shape), dtype=np.uint8)
    prepare = RowPreprocessor(document).prepare
    return lambda n, draw: np.stack([prepare(row) for row in made_rows(document, n, draw)])
