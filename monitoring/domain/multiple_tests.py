"""Many tests, one stated error rate: Holm's step-down method with a weight for each test."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def family_weights(families: Sequence[str]) -> npt.NDArray[np.float64]:
    """Each family of tests gets an equal share of the level, and its tests equal parts of that.

    A model with many labels then does not drown the one test on the predicted class.
    """
    names, index, sizes = np.unique(
        np.asarray(families, dtype=np.str_), return_inverse=True, return_counts=True
    )
    weights: npt.NDArray[np.float64] = 1.0 / (len(names) * sizes[index])
    return weights


def holm(p_values: Sequence[float], weights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Adjusted p-values: rejecting where they are <= a errs anywhere with probability <= a.

    In order of p / w, each is p / w times the weights not yet passed, and never below the one
    before it (Holm 1979). No assumption on how the tests depend on each other.
    """
    p, w = np.asarray(p_values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    order = np.argsort(p / w, kind="stable")
    remaining = np.cumsum(w[order][::-1])[::-1]
    stepped = np.maximum.accumulate(np.minimum(p[order] / w[order] * remaining, 1.0))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted
