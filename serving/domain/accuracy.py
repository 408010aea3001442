"""How often a model is right, from a random sample of reviewed answers.

Idea: answers are reviewed with different chances, all of flagged ones, a tenth of the rest, so the
share of errors among reviewed answers says little of all answers. Each is weighed by one over its
chance (Hájek 1971). Reviewers err too; how often is known from items with a known truth (Rogan and
Gladen 1978).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share between 0 and 1 with its interval; n counts what it rests on."""

    value: float
    low: float
    high: float
    n: float


@dataclass(frozen=True, slots=True)
class Known:
    """Reviewers' verdicts on answers whose truth was known.

    caught of wrong model answers they called wrong, cleared of right ones they called right.
    """

    wrong: int
    caught: int
    right: int
    cleared: int


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """What is known of a model's share of errors.

    naive: among the reviewed answers as they are. weighted: of all answers. corrected: with the
    reviewers' own errors taken out, None without items of known truth. best, worst: weighted, if
    every answer that nobody could or would judge was right, or wrong.
    """

    naive: Estimate | None
    weighted: Estimate | None
    corrected: Estimate | None
    best: float | None
    worst: float | None


def error_rate(
    errors: Bools,
    chances: Floats,
    skipped: Floats,
    known: Known | None = None,
    confidence: float = 0.95,
) -> ErrorRate:
    """The share of errors of all answers from those reviewed.

    errors: (n,) verdicts on the reviewed answers. chances: (n,) their probabilities of review, in
    (0, 1]. skipped: (m,) probabilities of answers that were drawn and never judged.
    """
    if not len(errors):
        return ErrorRate(None, None, None, None, None)
    weights = 1 / chances
    weighted = hajek(errors, chances, confidence)
    naive = wilson(float(errors.sum()), float(len(errors)), confidence)
    lost = float((1 / skipped).sum())
    total, wrong = float(weights.sum()) + lost, float(weights[errors].sum())
    corrected = None if known is None else rogan_gladen(weighted, known, confidence)
    return ErrorRate(naive, weighted, corrected, wrong / total, (wrong + lost) / total)


def hajek(errors: Bools, chances: Floats, confidence: float = 0.95) -> Estimate:
    """The weighted share of errors, sum(e/p) / sum(1/p), and its interval.

    The variance is that of independent draws, sum(((e - share) / p)^2) / sum(1/p)^2; the interval
    is Wilson's with the number of plain draws that would vary as much (Korn and Graubard 1998).
    Without any error, or with nothing else, the weights alone give that number (Kish 1965).

    >>> round(hajek(np.array([True, False, False]), np.array([1.0, 0.5, 0.5])).value, 6)
    0.2
    """
    weights = 1 / chances
    total = float(weights.sum())
    share = float(weights[errors].sum()) / total
    spread = float(((weights * (errors - share)) ** 2).sum()) / total**2
    if spread > 0:
        draws = min(share * (1 - share) / spread, float(len(errors)))
    else:
        draws = total**2 / float((weights**2).sum())
    return wilson(share * draws, draws, confidence)


def wilson(successes: float, n: float, confidence: float = 0.95) -> Estimate:
    """A share and its score interval (Wilson 1927); n need not be whole.

    >>> round(wilson(15, 148).low, 4), round(wilson(15, 148).high, 4)  # Newcombe 1998, method 3
    (0.0624, 0.1605)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), n)


def rogan_gladen(apparent: Estimate, known: Known, confidence: float = 0.95) -> Estimate | None:
    """The share of errors with the reviewers' own errors taken out.

    (apparent + specificity - 1) / (sensitivity + specificity - 1), with the interval of Lang and
    Reiczigel (2014), which knows that the reviewers' rates are estimates too. None if there are no
    items of either kind, or if reviewers did no better on them than chance would.
    """
    if not known.wrong or not known.right:
        return None
    sensitivity, specificity = known.caught / known.wrong, known.cleared / known.right
    if sensitivity + specificity <= 1:
        return None
    value = (apparent.value + specificity - 1) / (sensitivity + specificity - 1)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = apparent.n + z * z
    share = (apparent.n * apparent.value + z * z / 2) / n
    caught, cleared = (
        (known.caught + 1) / (known.wrong + 2),
        (known.cleared + 1) / (known.right + 2),
    )
    power = caught + cleared - 1
    if power <= 0:
        return None
    middle = (share + cleared - 1) / power
    shift = (
        2
        * z
        * z
        * (
            middle * caught * (1 - caught) / (known.wrong + 2)
            - (1 - middle) * cleared * (1 - cleared) / (known.right + 2)
        )
    )
    variance = (
        share * (1 - share) / n
        + middle**2 * caught * (1 - caught) / (known.wrong + 2)
        + (1 - middle) ** 2 * cleared * (1 - cleared) / (known.right + 2)
    )
    half = z / power * sqrt(variance)
    low, high = middle + shift - half, middle + shift + half
    return Estimate(_within(value), _within(low), _within(high), apparent.n)


def difference(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> Estimate:
    """first's share less second's, each (successes, n), with Newcombe's interval (1998, method 10).

    >>> found = difference((56, 70), (48, 80))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    one, other = (wilson(s, n, confidence) for s, n in (first, second))
    below = sqrt((one.value - one.low) ** 2 + (other.high - other.value) ** 2)
    above = sqrt((one.high - one.value) ** 2 + (other.value - other.low) ** 2)
    value = one.value - other.value
    return Estimate(value, value - below, value + above, one.n + other.n)


def _within(share: float) -> float:
    return min(1.0, max(0.0, share)) if -inf < share < inf else share
