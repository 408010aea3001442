"""Evidence on how often something happens to one arm, against the other, valid at any time.

Candidate and baseline are drawn by lot, so if something happens to both at the same rate, each
event is the candidate's with the chance rho with which its unit was drawn for it; if the
candidate's rate is r times the baseline's, with r rho / (r rho + 1 - rho). Whatever changes with
the hour changes for both arms and cancels. An event counts once for each unit, since what happens
to one unit hangs together.

Events at different rho are told apart: one factor each, multiplied. Pauses and epochs of equal rho
need no factor of their own, as the hypothesis says the same of them. Everything is in natural
logarithms. Reference: Lindon and Malek, arXiv 2011.03567.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.domain import evalues

# rho to the number of events of the candidate and of the baseline; numbers or arrays.
Events = Mapping[float, tuple[npt.ArrayLike, npt.ArrayLike]]
Floats = npt.NDArray[np.float64]

# How strongly the alternative of `log_split` is drawn to the stated share: about the number of
# units after which a deviation that shows would be believed.
_CONCENTRATION = 200.0


def boundary(chance: float, ratio: float) -> float:
    """The candidate's part of the events when its rate is `ratio` times the baseline's."""
    return ratio * chance / (ratio * chance + 1 - chance)


def log_ratio_below(events: Events, ratio: float) -> Floats:
    """Evidence that the candidate's rate is less than `ratio` times the baseline's.

    >>> bool(log_ratio_below({0.5: (0, 10)}, 1.0) > np.log(20))
    True
    """
    return _product(events, ratio, evalues.log_pass)


def log_ratio_above(events: Events, ratio: float) -> Floats:
    """Evidence that the candidate's rate is more than `ratio` times the baseline's."""
    return _product(events, ratio, evalues.log_harm)


def log_split(units: Events) -> Floats:
    """Evidence that the units are not split as they should be.

    E = Beta(a + S_c, b + S_b) / [Beta(a, b) rho^S_c (1 - rho)^S_b], a = k rho, b = k (1 - rho).

    >>> bool(log_split({0.5: (500, 500)}) < 0 < np.log(100) < log_split({0.5: (400, 600)}))
    True
    """
    from scipy.special import betaln

    total: Floats = np.zeros(())
    for chance, (candidate, baseline) in units.items():
        c, b = np.asarray(candidate, float), np.asarray(baseline, float)
        prior = _CONCENTRATION * chance, _CONCENTRATION * (1 - chance)
        mixed = betaln(prior[0] + c, prior[1] + b) - betaln(*prior)
        total = total + mixed - c * np.log(chance) - b * np.log1p(-chance)
    return total


def mean_of_two(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """The logarithm of the mean of two e-values, which is one again."""
    return np.asarray(np.logaddexp(one, other) - np.log(2), dtype=np.float64)


def _product(events: Events, ratio: float, evidence: Callable[[Any, Any, float], Floats]) -> Floats:
    total: Floats = np.zeros(())
    for chance, (candidate, baseline) in events.items():
        c, b = np.asarray(candidate, float), np.asarray(baseline, float)
        total = total + evidence(c, c + b, boundary(chance, ratio))
    return total
