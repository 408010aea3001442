"""What writing a version in another format asks of the world, and the values that pass between."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.observations import FloatArray, InputArray

Runs = Callable[[InputArray], Sequence[FloatArray]]
"""A loaded model: from a batch of prepared inputs to logits, probabilities and features."""


@dataclass(frozen=True, slots=True)
class Content:
    """What an export is made of: a version's graph and what it says of itself.

    calibration: prepared inputs (n, ...) to set ranges by; None where no data was given.
    """

    model: str
    version: int
    labels: tuple[str, ...]
    graph: Path
    preprocessing: AnyPreprocessing
    features: int
    calibration: InputArray | None = None


BATCHES = (1, 3, 32)


class Exporter(Protocol):
    """One format."""

    @property
    def batches(self) -> Sequence[int]:
        """How many inputs at once it is compared with: enough to see every way that it works."""

    def require(self) -> None:
        """Invalid says what is missing on this machine, and how it can be had."""

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Write the files into an empty folder; what there is to say of them."""

    def load(self, content: Content, folder: Path) -> Runs:
        """The written model, ready to answer, in one thread."""


@dataclass(frozen=True, slots=True)
class Loaders:
    """The models that an export stands beside, in one thread each.

    served: the graph as it serves. eager: the same in PyTorch; Invalid where that cannot be had.
    """

    served: Callable[[Path], Runs]
    eager: Callable[[Path], Runs]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Makes prepared inputs: of encoded ones, and so many at random."""

    prepared: Callable[[AnyPreprocessing, Sequence[bytes]], InputArray]
    drawn: Callable[[AnyPreprocessing, int, np.random.Generator], InputArray]
