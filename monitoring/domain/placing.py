"""Where the values of one input stand among those of the training data, for a person's eyes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring.domain.profile import OF_INPUTS, FeatureProfile, Profile
from registry.domain.observations import InputColumn

USUAL = (0.05, 0.95)
_EXTREME = 0.005


@dataclass(frozen=True, slots=True)
class Placed:
    """One value; said: how the input has it.

    low, high: the smallest and largest training value. usual: between them lie 90 % of them. below:
    the share of them that is smaller. All None for categories and for a value that is missing.
    outside: no training input had such a value.
    """

    name: str
    said: str
    sentence: str
    outside: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None
    usual: tuple[float, float] | None = None
    below: float | None = None

    @property
    def oddity(self) -> float:
        """Large for what a person should see first."""
        return 2.0 if self.outside else abs((0.5 if self.below is None else self.below) - 0.5)


def place(
    profile: Profile,
    values: Mapping[str, float],
    codes: frozenset[str] = frozenset(),
    said: Mapping[str, Any] | None = None,
) -> tuple[Placed, ...]:
    """The values of an input, the oddest first; those that the profile does not know are left out.

    codes: the names of those that are codes of categories. said: the values as the input has them.
    """
    known = [f for f in profile.features if f.kind in OF_INPUTS and f.name in values]
    placed = [_place(f, values[f.name], f.name in codes, said or {}) for f in known]
    return tuple(sorted(placed, key=lambda one: -one.oddity))


def codes_of(columns: tuple[InputColumn, ...]) -> frozenset[str]:
    """The names of columns that hold codes of categories."""
    return frozenset(column.name for column in columns if column.is_code)


def _place(feature: FeatureProfile, value: float, is_code: bool, said: Mapping[str, Any]) -> Placed:
    name = feature.name
    if math.isnan(value) or (name in said and said[name] is None):
        return Placed(name, "missing", f"{name} is missing", outside=False)
    words = _words(said[name]) if name in said else f"{value:.4g}"
    if is_code:
        return _category(name, words, unknown=value == 0)
    edges = feature.bins.edges
    low, high = edges[0], edges[-1]
    below = _below(feature, value)
    usual = (_quantile(feature, USUAL[0]), _quantile(feature, USUAL[1]))
    sentence = f"{name} is {words}, {_where(value, low, high, below)}"
    outside = not low <= value <= high
    return Placed(name, words, sentence, outside, value, low, high, usual, below)


def _category(name: str, words: str, *, unknown: bool) -> Placed:
    if unknown:
        return Placed(name, words, f"{name} is {words}, which no training input had", outside=True)
    return Placed(name, words, f"{name} is {words}, which the training data know", outside=False)


def _where(value: float, low: float, high: float, below: float) -> str:
    reach = f"({low:.4g} to {high:.4g})"
    if value > high:
        return f"above all training values {reach}"
    if value < low:
        return f"below all training values {reach}"
    if below < _EXTREME:
        return f"lower than {1 - below:.1%} of the training values {reach}"
    return f"higher than {below:.0%} of the training values {reach}"


def _below(feature: FeatureProfile, value: float) -> float:
    """The share of training values below one; within a bin they stand evenly."""
    return float(np.interp(value, feature.bins.edges, _shares(feature)))


def _quantile(feature: FeatureProfile, share: float) -> float:
    return float(np.interp(share, _shares(feature), feature.bins.edges))


def _shares(feature: FeatureProfile) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The share of training values below each edge."""
    within = np.array(feature.reference.counts[2:-1], dtype=np.float64)
    return np.concatenate([[0.0], np.cumsum(within) / max(within.sum(), 1.0)])


def _words(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"“{value}”" if isinstance(value, str) else f"{value:.6g}"
