"""How far a window is from its reference, with an interval: what a p-value does not say."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.domain.binning import Bins
from monitoring.domain.count_tests import Counts

RESAMPLES = 100

Distance = Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Effect:
    """A size and its 95 % interval."""

    size: float
    low: float
    high: float


def wasserstein_effect(
    bins: Bins, reference: Counts, window: Counts, moved: float, rng: np.random.Generator
) -> Effect:
    """Wasserstein distance in reference standard deviations, at least |`moved`|, the mean shift.

    Mass within a bin is spread evenly; mass beyond the outer edges is taken to lie on them, which
    makes the binned distance too small there, and the mean shift, a lower bound, mends it.
    """
    widths = np.diff(np.array(bins.edges)) / bins.sd

    def distance(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        gaps = np.cumsum(a - b, axis=-1)[..., :-1]
        left, right = gaps[..., :-1], gaps[..., 1:]
        return np.asarray((_mean_absolute(left, right) * widths).sum(axis=-1))

    binned = _with_interval(distance, reference, window, rng)
    more = max(abs(moved) - binned.size, 0.0)
    return Effect(binned.size + more, binned.low + more, binned.high + more)


def jensen_shannon_effect(reference: Counts, window: Counts, rng: np.random.Generator) -> Effect:
    """Jensen-Shannon distance of the shares: the root of the divergence in bits, 0 to 1."""

    def distance(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        middle = (a + b) / 2.0
        divergence = (_relative_entropy(a, middle) + _relative_entropy(b, middle)) / 2.0
        return np.sqrt(np.clip(divergence, 0.0, 1.0))

    if len(reference) < 2:
        return Effect(0.0, 0.0, 1.0)
    return _with_interval(distance, reference, window, rng)


def share_effect(reference: tuple[int, int], window: tuple[int, int]) -> Effect:
    """Difference of two shares, window less reference, with Newcombe's interval (1998)."""
    p, q = window[0] / window[1], reference[0] / reference[1]
    p_low, p_high = _wilson(*window)
    q_low, q_high = _wilson(*reference)
    below = float(np.hypot(p - p_low, q_high - q))
    above = float(np.hypot(p_high - p, q - q_low))
    return Effect(p - q, p - q - below, p - q + above)


def _with_interval(
    distance: Distance, reference: Counts, window: Counts, rng: np.random.Generator
) -> Effect:
    """The basic bootstrap interval (2 size - quantiles), which undoes the upward bias."""
    m, n = int(reference.sum()), int(window.sum())
    p, q = reference / m, window / n
    size = float(distance(p, q))
    resampled = distance(
        rng.multinomial(m, p, size=RESAMPLES) / m, rng.multinomial(n, q, size=RESAMPLES) / n
    )
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Effect(size, max(0.0, min(size, 2 * size - high)), max(size, 2 * size - low))


def _mean_absolute(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The mean of |x| where x runs straight from left to right."""
    same_sign = left * right >= 0
    sums = np.abs(left) + np.abs(right)
    crossing = (np.square(left) + np.square(right)) / np.where(sums > 0, 2.0 * sums, 1.0)
    return np.where(same_sign, sums / 2.0, crossing)


def _relative_entropy(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    ratio = np.where(a > 0, a / np.where(b > 0, b, 1.0), 1.0)
    return np.asarray((a * np.log2(ratio)).sum(axis=-1))


def _wilson(successes: int, n: int) -> tuple[float, float]:
    z = 1.959964
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
