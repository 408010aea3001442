"""Two shares compared within strata, so that what differs between strata cancels out."""

from collections.abc import Sequence

from serving.domain.accuracy import Estimate, difference

Share = tuple[int, int]  # successes, n


def common_difference(
    strata: Sequence[tuple[Share, Share]], confidence: float = 0.95
) -> Estimate | None:
    """How much larger the first share of each stratum is, over all strata that have both.

    Each stratum weighs n1 n2 / (n1 + n2) (Mantel and Haenszel 1959). The interval is Newcombe's on
    the weighted shares, each with the number of plain draws that would vary as much (Yan and Su
    2010); with one stratum it is Newcombe's own. None if no stratum has both.

    >>> found = common_difference([((56, 70), (48, 80))])
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)  # Newcombe 1998
    (0.2, 0.0524, 0.3339)
    """
    both = [(one, other) for one, other in strata if one[1] and other[1]]
    if not both:
        return None
    raw = [one[1] * other[1] / (one[1] + other[1]) for one, other in both]
    weights = [weight / sum(raw) for weight in raw]
    first, second = (_as_plain_draws([pair[arm] for pair in both], weights) for arm in (0, 1))
    return difference(first, second, confidence)


def _as_plain_draws(shares: Sequence[Share], weights: Sequence[float]) -> tuple[float, float]:
    """Successes and draws whose share and variance are those of the weighted shares."""
    pairs = list(zip(shares, weights, strict=True))
    value = sum(weight * successes / n for (successes, n), weight in pairs)
    draws = 1 / sum(weight**2 / n for (_, n), weight in pairs)
    return value * draws, draws
