"""What a model saw and said, row by row: the common currency of profiles and scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
ByteArray = npt.NDArray[np.uint8]
InputArray = npt.NDArray[Any]  # uint8 for images, float32 for rows of a table


@dataclass(frozen=True, slots=True)
class FeatureBlock:
    """A run of columns of the graph's `features` output: channel means of one block."""

    name: str
    width: int


@dataclass(frozen=True, slots=True)
class InputColumn:
    """A column of a table's prepared rows.

    is_code: it holds codes of categories, 0 for one that was never seen. Else a prepared number
    times `deviation`, plus `mean`, is the number that the row had.
    """

    name: str
    is_code: bool
    mean: float = 0.0
    deviation: float = 1.0


@dataclass(frozen=True, slots=True)
class Observations:
    """A batch of n inputs and what the model's graph gave for them.

    inputs: (n, channels, height, width) uint8 for images, (n, columns) float32 for rows of a table,
    after the item transforms, as the graph takes it.
    logits: (n, labels) float32. probabilities: (n, labels) float32, rows sum to 1.
    features: (n, sum of block widths) float32; the last block is the penultimate layer.
    labels: (n,) int64 index into the model's labels, -1 where unknown.
    columns: what the columns of rows are; none for images.
    """

    inputs: InputArray
    logits: FloatArray
    probabilities: FloatArray
    features: FloatArray
    labels: IntArray
    columns: tuple[InputColumn, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)


def concatenate(parts: Sequence[Observations]) -> Observations:
    """All rows of the parts, in order; at least one part is needed."""
    return Observations(
        inputs=np.concatenate([p.inputs for p in parts]),
        logits=np.concatenate([p.logits for p in parts]),
        probabilities=np.concatenate([p.probabilities for p in parts]),
        features=np.concatenate([p.features for p in parts]),
        labels=np.concatenate([p.labels for p in parts]),
        columns=parts[0].columns,
    )
