"""Finding out from training images that a model's input or labels were declared wrong.

A model that was declared right answers its own training images at least as well as under any other
declaration. If another one answers significantly more of them, the declaration is a mistake.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from registry.domain.observations import IntArray

BoolArray = npt.NDArray[np.bool_]

LEVEL = 1e-4  # one-sided, for each alternative
LEAST_GAIN = 0.1  # of all images
_FEWEST = 20
FARTHEST_MEAN, DEVIATIONS = 4.0, (0.05, 10.0)


def mistake(truth: IntArray, said: Mapping[str, IntArray], labels: Sequence[str]) -> str | None:
    """What was probably declared wrong, as a sentence; None if nothing speaks for that.

    truth: (n,) label of each image. said: (n,) label that the model gives it, as declared first
    and then by other declarations, in words that follow "say".
    """
    if len(truth) < _FEWEST:
        return None
    (_, declared), *others = said.items()
    right = declared == truth
    found = _best(truth, right, dict(others))
    if found is not None:
        name, share = found
        return (
            f"as declared the model is right on {right.mean():.0%} of {len(truth)} training images,"
            f" but on {share:.0%} of them otherwise: say {name} in the preprocessing"
        )
    return _other_order(truth, declared, labels)


def unlike_standard(means: Sequence[float], deviations: Sequence[float]) -> str | None:
    """Why a normalisation cannot be the one that these training images were trained with.

    means, deviations: of each colour of the normalised training images. What was normalised by
    statistics of its own kind comes near 0 and 1; wrong scales miss that by orders of magnitude.
    """
    far = max(abs(mean) for mean in means) > FARTHEST_MEAN
    least, most = DEVIATIONS
    if not far and all(least <= deviation <= most for deviation in deviations):
        return None
    said = ", ".join(
        f"{mean:.3g} ± {deviation:.3g}" for mean, deviation in zip(means, deviations, strict=True)
    )
    return (
        f"as declared the training images come to {said} in their colours, where a normalisation"
        " brings them near 0 ± 1: correct `divide_by`, `mean` or `deviation` in the preprocessing"
    )


def _best(
    truth: IntArray, right: BoolArray, others: Mapping[str, IntArray]
) -> tuple[str, float] | None:
    shares = {
        name: float((one == truth).mean())
        for name, one in others.items()
        if _better(one == truth, right)
    }
    name = max(shares, key=shares.__getitem__, default=None)
    return None if name is None else (name, shares[name])


def _better(one: BoolArray, other: BoolArray) -> bool:
    """Whether one is right more often, by the exact sign test on where they differ (McNemar)."""
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    if gained - lost < LEAST_GAIN * len(one):
        return False
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(gained, n + 1))
    return bool(tail < LEVEL * 2**n)


def _other_order(truth: IntArray, said: IntArray, labels: Sequence[str]) -> str | None:
    """Whether the labels stand in another order; each half is tested by what the other shows."""
    half = np.arange(len(truth)) % 2 == 0
    renamed = np.empty_like(said)
    for tested in (half, ~half):
        renamed[tested] = _order(truth[~tested], said[~tested], len(labels))[said[tested]]
    if not _better(renamed == truth, said == truth):
        return None
    order = _order(truth, said, len(labels))
    names = ", ".join(labels[i] for i in order)
    right, would = (said == truth).mean(), (renamed == truth).mean()
    return (
        f"with these labels the model is right on {right:.0%} of {len(truth)} training images, with"
        f" the order {names} on {would:.0%}: write --labels in the order of the model's scores"
    )


def _order(truth: IntArray, said: IntArray, labels: int) -> IntArray:
    """For each score the label that it is highest for most often, no label twice (Hungarian)."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((labels, labels))
    np.add.at(counts, (said, truth), 1)
    return np.asarray(linear_sum_assignment(counts, maximize=True)[1])
