"""Which training examples disagree with the decided ones that they are most like."""

from dataclasses import dataclass

import numpy as np

from registry.domain.observations import FloatArray, IntArray

NEIGHBOURS, LEAST = 5, 0.9


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The training example and the decided one by their rows, and how alike they are."""

    training: int
    decided: int
    similarity: float


def nearest_that_disagree(
    training: FloatArray,
    training_labels: IntArray,
    decided: FloatArray,
    decided_labels: IntArray,
    neighbours: int = NEIGHBOURS,
    least: float = LEAST,
) -> tuple[Suspicion, ...]:
    """For each decided example its nearest training ones with another label, the most alike first.

    Features (n, d) and labels (n,) of either; alike is the cosine of features less the training
    mean. Each training example is named once, with the decided one it is most like, and only if
    that cosine is at least `least`.

    >>> features = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> found = nearest_that_disagree(features, np.array([0, 1]), features, np.array([1, 1]))
    >>> [(one.training, one.decided) for one in found]
    [(0, 0)]
    """
    middle = training.mean(axis=0)
    known, asked = _directions(training - middle), _directions(decided - middle)
    best: dict[int, Suspicion] = {}
    for i, direction in enumerate(asked):
        alike = known @ direction
        for j in map(int, np.argsort(-alike, kind="stable")[:neighbours]):
            similarity = float(alike[j])
            if similarity < least or training_labels[j] == decided_labels[i]:
                continue
            if j not in best or best[j].similarity < similarity:
                best[j] = Suspicion(j, i, similarity)
    return tuple(sorted(best.values(), key=lambda one: (-one.similarity, one.training)))


def _directions(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
