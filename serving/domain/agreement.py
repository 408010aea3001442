"""How far reviewers agree beyond what chance alone would give."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient, 1 for perfect agreement and 0 for chance, on `n` items; with its interval."""

    value: float
    low: float
    high: float
    n: int


def cohen_kappa(pairs: Sequence[tuple[str, str]], confidence: float = 0.95) -> Agreement | None:
    """Agreement of two reviewers on the same items (Cohen 1960); None if chance explains all.

    (observed - expected) / (1 - expected), with the large-sample variance of Fleiss, Cohen and
    Everitt (1969).

    >>> pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10
    >>> round(cohen_kappa(pairs + [("no", "no")] * 15).value, 4)
    0.4
    """
    n = len(pairs)
    if not n:
        return None
    rows, columns = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    cells = Counter(pairs)
    labels = sorted(rows.keys() | columns.keys())
    observed = sum(cells[label, label] for label in labels) / n
    expected = sum(rows[label] * columns[label] for label in labels) / n**2
    if expected >= 1:
        return None
    value = (observed - expected) / (1 - expected)
    left = 1 - value
    agree = sum(cells[a, a] / n * (1 - (rows[a] + columns[a]) / n * left) ** 2 for a in labels)
    differ = left**2 * sum(
        cells[a, b] / n * ((columns[a] + rows[b]) / n) ** 2
        for a in labels for b in labels if a != b
    )  # fmt: skip
    variance = (agree + differ - (value - expected * left) ** 2) / (n * (1 - expected) ** 2)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(max(0.0, variance))
    return Agreement(value, max(-1.0, value - half), min(1.0, value + half), n)


def krippendorff_alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Agreement of any number of reviewers, each of whom saw some of the items (nominal labels).

    1 - observed / expected disagreement over all pairs of opinions within an item (Krippendorff,
    Computing Krippendorff's Alpha-Reliability, 2011). units: the labels that each item was given;
    items with fewer than two say nothing. None if all opinions are the same label, or none pair.
    """
    paired = [Counter(unit) for unit in units if len(unit) > 1]
    total = sum((Counter(unit) for unit in paired), Counter[str]())
    n = total.total()
    if n < 2 or len(total) < 2:
        return None
    disagreeing = sum(
        (unit.total() ** 2 - sum(count**2 for count in unit.values())) / (unit.total() - 1)
        for unit in paired
    )
    expected = (n**2 - sum(count**2 for count in total.values())) / (n - 1)
    return 1 - disagreeing / expected
