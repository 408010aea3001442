"""Evidence against a bound on the error rate that may be looked at after every review.

An e-value E is what a bet against a hypothesis has made of a stake of one. While the hypothesis
holds, E exceeds 1/alpha at any time with a probability of at most alpha (Ville's inequality), so
whoever stops at E >= 1/alpha is wrong at most that often, however often they look. Everything is
in natural logarithms: promotion needs log E >= log(1/alpha).

References: Howard et al., arXiv 1810.08240 (beta mixtures); Waudby-Smith and Ramdas,
arXiv 2010.09686 (betting on bounded losses).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEAST = -1_000.0  # the logarithm of an e-value that has lost everything, kept finite
# Shares of the largest stake. A few spread ones cost less than many: each dilutes the others.
# bench/gates.py compares the cost of reviews; smaller stakes only help candidates near the bound.
PASS_STAKES = np.array([0.4, 0.8])
HARM_STAKES = np.geomspace(0.002, 0.2, 10)
# Pairs differ rarely, so that both small and large stakes may be best.
PAIR_STAKES = np.array([0.03, 0.1, 0.2, 0.35, 0.6, 0.99])


def log_pass(errors: Any, reviewed: Any, bound: float) -> Floats:
    """Evidence that the error rate is below `bound`, every answer reviewed.

    Mixture over rates q < bound of the likelihood ratio against `bound`, weighted by a truncated
    Beta(1/2, 1/2): E = [B(b; 1/2+S, 1/2+n-S) / B(b; 1/2, 1/2)] / (b^S (1-b)^(n-S)).

    errors, reviewed: S and n, numbers or arrays that broadcast; fractions are allowed.

    >>> bool(log_pass(0, 74, 0.05) >= np.log(20) > log_pass(0, 73, 0.05))
    True
    """
    s, n = np.asarray(errors, float), np.asarray(reviewed, float)
    return _mixture(s, n - s, bound)


def log_harm(errors: Any, reviewed: Any, bound: float) -> Floats:
    """Evidence that the error rate is above `bound`, every answer reviewed.

    The same mixture over the rates q > bound.
    """
    s, n = np.asarray(errors, float), np.asarray(reviewed, float)
    return _mixture(n - s, s, 1.0 - bound)


def log_pass_sampled(losses: Any, least_inclusion: float, bound: float, counts: Any = 1) -> Floats:
    """Evidence that the error rate is below `bound` when only a random sample is reviewed.

    losses: (..., n) Z = reviewed * error / inclusion probability, 0 for what was not reviewed.
    counts: how many answers in a row have each loss; their order changes nothing in the end.
    least_inclusion: no answer's probability of review is smaller, so that Z <= 1/least_inclusion.
    Gives the evidence after each answer: the mean over stakes l of prod(1 + l (bound - Z)), where
    no stake risks more than 99 % at once. The stakes must not depend on the single answer: betting
    more on flagged answers would test their error rate, not everyone's.
    """
    most = 1.0 / (1.0 / least_inclusion - bound)
    return _betting(bound - np.asarray(losses, float), PASS_STAKES * most, counts)


def log_harm_sampled(losses: Any, bound: float, counts: Any = 1) -> Floats:
    """Evidence that the error rate is above `bound` when only a random sample is reviewed.

    As `log_pass_sampled`, with the opposite bet: an answer can lose it `bound` at most.
    """
    return _betting(np.asarray(losses, float) - bound, HARM_STAKES / bound, counts)


def more_reviews(errors: int, reviewed: int, bound: float, alpha: float) -> int | None:
    """About how many more reviews pass if errors go on at the present rate; None: too many."""
    rate = errors / reviewed if reviewed else 0.0
    if rate >= bound:
        return None
    more = np.unique(np.geomspace(1, 1_000_000, 600).astype(int))
    return _first(more, log_pass(errors + rate * more, reviewed + more, bound), alpha)


def more_answers(
    losses: Floats, least_inclusion: float, bound: float, alpha: float, counts: Any = 1
) -> int | None:
    """About how many more answers pass if reviews of a sample go on as they were.

    losses, counts: as for `log_pass_sampled`. With no answer yet: what it takes without an error.
    """
    stakes = PASS_STAKES / (1.0 / least_inclusion - bound)
    times = np.ones(len(losses)) * counts
    return more_bets(bound - losses, times, stakes, alpha, bound)


def log_bet(gains: Floats, counts: Floats, stakes: Floats) -> float:
    """What bets on a positive mean have made: log of the mean over stakes l of prod(1 + l g).

    gains, counts: (k,) the values of g and how often each came; their order changes nothing.
    stakes: (s,) shares of all one has; none may lose more than everything on the least gain.
    """
    sums = (np.log1p(stakes[:, None] * gains) * counts).sum(axis=1)
    return max(float(_mean_exp(sums, axis=0)), _LEAST)


def more_bets(
    gains: Floats, counts: Floats, stakes: Floats, alpha: float, first: float | None = None
) -> int | None:
    """About how many more answers suffice if gains go on as they were; None: too many.

    first: the gain to reckon with while there is none yet.
    """
    sums = (np.log1p(stakes[:, None] * gains) * counts).sum(axis=1)
    answers = float(counts.sum())
    if not answers and first is None:
        return None
    one = sums / answers if answers else np.log1p(stakes * (first or 0.0))
    more = np.unique(np.geomspace(1, 10_000_000, 700).astype(int))
    return _first(more, _mean_exp(sums[:, None] + one[:, None] * more, axis=0), alpha)


def _mixture(low: Floats, high: Floats, bound: float) -> Floats:
    from scipy.special import betainc, betaln

    a, b = 0.5 + low, 0.5 + high
    with np.errstate(divide="ignore"):
        part = np.log(betainc(a, b, bound)) + betaln(a, b)
        whole = np.log(betainc(0.5, 0.5, bound)) + betaln(0.5, 0.5)
    ratio = part - whole - low * np.log(bound) - high * np.log1p(-bound)
    return np.asarray(np.maximum(ratio, _LEAST), dtype=np.float64)


def _betting(gain: Floats, stakes: Floats, counts: Any) -> Floats:
    logs = np.log1p(stakes[:, None] * gain[..., None, :]) * counts
    return np.maximum(_mean_exp(np.cumsum(logs, axis=-1), axis=-2), _LEAST)


def _mean_exp(logs: Floats, axis: int) -> Floats:
    top = logs.max(axis=axis, keepdims=True)
    mean = np.log(np.exp(logs - top).mean(axis=axis))
    return np.asarray(mean + top.squeeze(axis), dtype=np.float64)


def _first(counts: npt.NDArray[np.int_], logs: Floats, alpha: float) -> int | None:
    """The least count whose evidence suffices, between the points of a grid by a straight line."""
    enough = np.flatnonzero(logs >= -np.log(alpha))
    if not len(enough):
        return None
    at = int(enough[0])
    if at == 0:
        return int(counts[0])
    rise = (-np.log(alpha) - logs[at - 1]) / (logs[at] - logs[at - 1])
    return int(np.ceil(counts[at - 1] + rise * (counts[at] - counts[at - 1]) - 1e-9))
