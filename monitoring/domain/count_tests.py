"""Two-sample tests on counts: could reference and window come from one distribution?

All are two-sample. A test that takes the reference's shares as exact forgets that they, too, are
a sample, and alarms in 15 to 67 % of clean windows.

The edges are quantiles of the reference itself, so its counts are fixed and the window's are
Polya distributed. To first order that is the two-sample null of each test here; for the tail it
is exact: at most r reference rows among the top x + r of the pooled rows is Fisher's event.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

LEAST_EXPECTED = 10.0
PERMUTATIONS = 9_999


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """A statistic and its p-value."""

    __test__ = False  # pytest takes classes by this name for tests

    statistic: float
    p_value: float


def group(reference: Counts, window: Counts) -> tuple[Counts, Counts]:
    """Neighbouring bins merged until each is expected to hold 10 rows of either sample.

    Only the reference decides where: groups chosen by looking at the window would bias the test.
    """
    m, n = int(reference.sum()), int(window.sum())
    if m == 0 or n == 0:
        return reference[:0], window[:0]
    least = LEAST_EXPECTED * max(1.0, m / n)
    ends: list[int] = []
    held = 0
    for i, count in enumerate(reference):
        held += int(count)
        if held >= least:
            ends.append(i + 1)
            held = 0
    starts = np.array([0, *ends[:-1]], dtype=np.int64)  # the rest joins the last group
    return np.add.reduceat(reference, starts), np.add.reduceat(window, starts)


def g_test(reference: Counts, window: Counts) -> TestOutcome:
    """Likelihood-ratio test on grouped counts, with Williams' correction (1976).

    G = 2 sum O log(O / E) over the 2 x k table, divided by q, against chi-square with k - 1
    degrees of freedom. Fewer than two groups: no evidence, p = 1.
    """
    from scipy.special import gammaincc

    k = len(reference)
    if k < 2:
        return TestOutcome(0.0, 1.0)
    table = np.stack([reference, window]).astype(np.float64)
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    expected = np.outer(rows, columns) / total
    terms = np.where(table > 0, table * np.log(np.where(table > 0, table / expected, 1.0)), 0.0)
    by_row = total * np.sum(1.0 / rows) - 1.0
    by_column = total * np.sum(1.0 / columns) - 1.0
    q = 1.0 + by_row * by_column / (6.0 * total * (k - 1))
    statistic = max(float(2.0 * terms.sum() / q), 0.0)
    return TestOutcome(statistic, _positive(gammaincc((k - 1) / 2.0, statistic / 2.0)))


def ks_test(reference: Counts, window: Counts) -> TestOutcome:
    """Largest gap between the two cumulated shares, looked at on the edges.

    The asymptotic p-value of the two-sample Kolmogorov-Smirnov test; on edges, and for small
    samples, it errs on the side of silence.
    """
    from scipy.special import kolmogorov

    m, n = int(reference.sum()), int(window.sum())
    if m == 0 or n == 0:
        return TestOutcome(0.0, 1.0)
    gap = np.abs(np.cumsum(reference) / m - np.cumsum(window) / n)
    statistic = float(gap.max())
    return TestOutcome(statistic, _positive(kolmogorov(np.sqrt(m * n / (m + n)) * statistic)))


def tail_test(reference: Counts, window: Counts, first: int) -> TestOutcome:
    """Fisher's exact test, one-sided: are more window rows at or beyond bin `first`?

    The statistic is the difference of the shares.
    """
    m, n = int(reference.sum()), int(window.sum())
    if m == 0 or n == 0:
        return TestOutcome(0.0, 1.0)
    r, x = int(reference[first:].sum()), int(window[first:].sum())
    return TestOutcome(x / n - r / m, hypergeometric_tail(x, r + x, n, m + n))


def hypergeometric_tail(x: int, drawn: int, marked: int, total: int) -> float:
    """P(at least x of `drawn` are marked), drawn without replacement from `total`."""
    from scipy.special import gammaln

    counts = np.arange(x, min(drawn, marked) + 1)
    if x <= max(0, drawn + marked - total):
        return 1.0

    def log_choose(a: int, b: npt.NDArray[np.int64] | int) -> npt.NDArray[np.float64]:
        result: npt.NDArray[np.float64] = (
            gammaln(a + 1.0) - gammaln(np.add(b, 1.0)) - gammaln(np.subtract(a + 1.0, b))
        )
        return result

    logs = log_choose(marked, counts) + log_choose(total - marked, drawn - counts)
    return _positive(np.exp(logs - log_choose(total, drawn)).sum())


def class_test(reference: Counts, window: Counts, rng: np.random.Generator) -> TestOutcome:
    """Pearson's chi-square on the predicted classes (black-box shift detection, Lipton 2018).

    Where a class is expected fewer than 10 times, the p-value is by permutation instead, at best
    1 / 10,000.
    """
    from scipy.special import gammaincc

    seen = (reference + window) > 0
    reference, window = reference[seen], window[seen]
    k, n = len(window), int(window.sum())
    if k < 2 or n == 0 or reference.sum() == 0:
        return TestOutcome(0.0, 1.0)
    pooled = reference + window
    statistic = float(_chi_square(window[None], pooled, n)[0])
    share = min(n, int(reference.sum())) / pooled.sum()
    if float(pooled.min()) * share >= LEAST_EXPECTED:
        return TestOutcome(statistic, _positive(gammaincc((k - 1) / 2.0, statistic / 2.0)))
    draws = rng.multivariate_hypergeometric(pooled, n, size=PERMUTATIONS, method="marginals")
    as_far = int((_chi_square(draws, pooled, n) >= statistic * (1 - 1e-9)).sum())
    return TestOutcome(statistic, (1 + as_far) / (1 + PERMUTATIONS))


def _chi_square(windows: Counts, pooled: Counts, n: int) -> npt.NDArray[np.float64]:
    """The statistic of each window (draws, k), given the pooled counts (k,)."""
    total = pooled.sum()
    share = n / total
    gaps = np.square(windows - pooled * share) / pooled
    result: npt.NDArray[np.float64] = gaps.sum(axis=1) / (share * (1.0 - share))
    return result


def _positive(p: float) -> float:
    """Kept within (0, 1]: rounding, and not the data, makes a p-value zero."""
    return float(min(max(p, 1e-300), 1.0))
