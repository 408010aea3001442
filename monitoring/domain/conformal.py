"""Turning scores into p-values whose error rate is known, by ranks among held-out rows.

With n held-out rows that are exchangeable with a new one, `p = (1 + #{held-out as extreme or
more}) / (n + 1)` satisfies P(p <= a) <= a for every a (Vovk et al. 2005). It is an average over
held-out sets: given this one, the share of normal inputs with p <= a is distributed as
Beta(k, n + 1 - k) with k = floor(a (n + 1)), exactly so where scores have no ties.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from registry.domain.observations import FloatArray

# The share of the largest scores from which the fall of the tail is estimated.
TAIL_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Surprise:
    """How unlikely a score is: -log of its interpolated conformal p-value, large is unusual.

    Ranks alone cannot tell a score just above all held-out ones from one ten times as large, and
    a minimum over several scores would then be full of ties. So p is interpolated between the
    held-out scores, and falls exponentially beyond the largest, by the mean excess of the upper
    tail. It need not be exact: the fused surprise is calibrated again on other rows.

    values: (m,) float64, rising, distinct. surprises: (m,) float64. slope: per unit beyond the
    largest value. usual: the score below which 95 % of the held-out rows stay.
    """

    values: npt.NDArray[np.float64]
    surprises: npt.NDArray[np.float64]
    slope: float
    usual: float

    def __call__(self, scores: FloatArray) -> npt.NDArray[np.float64]:
        """The surprise of each score, (n,); a score that is not a number surprises infinitely."""
        inside = np.interp(scores, self.values, self.surprises)
        beyond = np.maximum(scores - self.values[-1], 0.0) * self.slope
        result: npt.NDArray[np.float64] = np.where(np.isfinite(scores), inside + beyond, np.inf)
        return result


def fit_surprise(scores: FloatArray) -> Surprise:
    """Fit to the scores of held-out rows, (n,), at least one."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    values, first = np.unique(ordered, return_index=True)
    p_values = (n - first) / (n + 1)
    top = ordered[n - max(2, math.ceil(TAIL_SHARE * n)) :] if n > 1 else ordered
    excess = float(top.mean() - top[0])
    scale = max(excess, 1e-6 * abs(float(ordered[-1])), 1e-12)
    return Surprise(values, -np.log(p_values), 1.0 / scale, float(np.quantile(ordered, 0.95)))


def p_values(surprises: FloatArray, held_out: FloatArray) -> npt.NDArray[np.float64]:
    """`(1 + #{held-out >= surprise}) / (n + 1)`; `held_out` must be sorted."""
    n = len(held_out)
    at_least = n - np.searchsorted(held_out, surprises, side="left")
    return np.asarray((1.0 + at_least) / (n + 1.0), dtype=np.float64)


def held_out_rows_for(level: float) -> int:
    """How many held-out rows it takes for p <= level to be possible."""
    return max(math.ceil(1.0 / level - 1e-9) - 1, 1)


@dataclass(frozen=True, slots=True)
class RealisedRate:
    """The share of normal inputs with p <= level, given n held-out rows: Beta(k, n + 1 - k)."""

    level: float
    held_out: int

    @property
    def k(self) -> int:
        """How many of the held-out rows may be flagged, floor(level (n + 1))."""
        return math.floor(self.level * (self.held_out + 1) + 1e-9)

    @property
    def mean(self) -> float:
        """The expected rate, k / (n + 1)."""
        return self.k / (self.held_out + 1)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The central interval; (0, 0) if the level is too small for n."""
        from scipy.special import betaincinv

        if self.k == 0:
            return 0.0, 0.0
        tail = (1.0 - confidence) / 2.0
        a, b = self.k, self.held_out + 1 - self.k
        if b == 0:
            return 1.0, 1.0
        return float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1.0 - tail))
