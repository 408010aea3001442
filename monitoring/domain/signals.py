"""The numbers of each input that the out-of-domain scores look at, without its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.domain.image_statistics import image_statistics
from registry.domain.observations import FloatArray, IntArray, Observations


@dataclass(frozen=True, slots=True)
class Signals:
    """What n inputs leave behind when their pixels are dropped.

    vectors: (n, d + 2) float32, the graph's features, then mean and standard deviation of the
    pixels. appearance: (n, s) the image statistics, which need no model. penultimate: how many of
    the d columns, counted from the last, are the last block.
    probabilities: (n, labels). labels: (n,), -1 where unknown.
    """

    vectors: FloatArray
    appearance: FloatArray
    penultimate: int
    probabilities: FloatArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def last_block(self) -> FloatArray:
        """The features of the penultimate layer, (n, penultimate)."""
        return self.vectors[:, -2 - self.penultimate : -2]

    @property
    def predicted(self) -> IntArray:
        """The class of the largest probability, (n,)."""
        predicted: IntArray = self.probabilities.argmax(axis=1)
        return predicted

    @property
    def classes(self) -> IntArray:
        """The true class where it is known, else the predicted one, (n,)."""
        classes: IntArray = np.where(self.labels >= 0, self.labels, self.predicted)
        return classes

    def rows(self, which: IntArray) -> "Signals":
        """The rows of these indices, or of this mask."""
        return Signals(
            self.vectors[which],
            self.appearance[which],
            self.penultimate,
            self.probabilities[which],
            self.labels[which],
        )


def signals_of(observations: Observations, penultimate: int) -> Signals:
    """The signals of a batch; `penultimate` is the width of the graph's last feature block."""
    pixels = observations.inputs.reshape(len(observations), -1).astype(np.float32)
    mean = pixels.mean(axis=1)
    squares = np.einsum("ij,ij->i", pixels, pixels, dtype=np.float64) / pixels.shape[1]
    spread = np.sqrt(np.maximum(squares - np.square(mean, dtype=np.float64), 0.0))
    vectors = np.column_stack([observations.features, mean, spread]).astype(np.float32, copy=False)
    appearance = np.column_stack(list(image_statistics(observations.inputs).values()))
    return Signals(
        vectors, appearance, penultimate, observations.probabilities, observations.labels
    )


def join(parts: Sequence[Signals]) -> Signals:
    """All rows of the parts, in order; at least one part is needed."""
    return Signals(
        np.concatenate([p.vectors for p in parts]),
        np.concatenate([p.appearance for p in parts]),
        parts[0].penultimate,
        np.concatenate([p.probabilities for p in parts]),
        np.concatenate([p.labels for p in parts]),
    )
