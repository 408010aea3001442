"""The numbers of each input that the out-of-domain scores look at, without its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.domain.input_statistics import appearance, spread
from registry.domain.observations import FloatArray, IntArray, Observations


@dataclass(frozen=True, slots=True)
class Signals:
    """What n inputs leave behind when they are dropped themselves.

    vectors: (n, d + 2) float32, the graph's features, then mean and standard deviation of the
    pixels. appearance: (n, s) what needs no model. penultimate: how many of the d columns, counted
    from the last, are the last block.
    probabilities: (n, labels). labels: (n,), -1 where unknown. of_rows: the inputs are a table's.
    """

    vectors: FloatArray
    appearance: FloatArray
    penultimate: int
    probabilities: FloatArray
    labels: IntArray
    of_rows: bool = False

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
            self.of_rows,
        )


def signals_of(observations: Observations, penultimate: int) -> Signals:
    """The signals of a batch; `penultimate` is the width of the graph's last feature block."""
    columns = [observations.features, *spread(observations)]
    return Signals(
        np.column_stack(columns).astype(np.float32, copy=False),
        appearance(observations),
        penultimate,
        observations.probabilities,
        observations.labels,
        bool(observations.columns),
    )


def join(parts: Sequence[Signals]) -> Signals:
    """All rows of the parts, in order; at least one part is needed."""
    return Signals(
        np.concatenate([p.vectors for p in parts]),
        np.concatenate([p.appearance for p in parts]),
        parts[0].penultimate,
        np.concatenate([p.probabilities for p in parts]),
        np.concatenate([p.labels for p in parts]),
        parts[0].of_rows,
    )
