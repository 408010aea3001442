"""How many of a model's errors its reviewers overlook, at most, and what knowing it costs.

A person who calls a wrong answer correct makes the candidate look better than it is. Gold items, on
which the model is known to be wrong, bound the share m of errors that are missed. If the true rate
of errors is theta, reviewers see theta (1 - m) of them, and that is what is tested.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from registry.domain import evalues
from registry.domain.evidence import ReviewerTally

# The part of a gate's alpha that the bound on the reviewers may cost.
_PART = 0.2


@dataclass(frozen=True, slots=True)
class Overlooked:
    """share_at_most: of the errors. alpha_left: for the test itself. sentence: added to its own."""

    share_at_most: float
    alpha_left: float
    numbers: Mapping[str, Any]
    sentence: str = ""


def none_overlooked(alpha: float) -> Overlooked:
    """What is taken for granted where the plan asks for no gold items."""
    return Overlooked(0.0, alpha, {"reviewers": "taken as faultless"})


def overlooked(tally: ReviewerTally, alpha: float) -> Overlooked:
    """What gold items say, at confidence 1 - alpha / 5, however often one looks."""
    share = miss_rate_at_most(tally.misses, tally.known_errors, _PART * alpha)
    numbers = {
        "reviewers": "checked by gold items",
        "gold_errors": tally.known_errors,
        "gold_misses": tally.misses,
        "miss_rate_at_most": share,
        "against": [tally.misses],
    }
    sentence = f" (reviewers overlook at most {share:.1%} of the errors)"
    return Overlooked(share, round((1 - _PART) * alpha, 12), numbers, sentence)


@lru_cache(maxsize=1024)
def miss_rate_at_most(misses: int, known: int, alpha: float) -> float:
    """An upper confidence bound that holds at all times at once: the rates not yet rejected.

    A rate m is rejected when the evidence that misses are rarer than m reaches 1 / alpha. That
    evidence grows with m wherever it is large, so halving finds the end.

    >>> round(miss_rate_at_most(0, 100, 0.01), 3), miss_rate_at_most(0, 0, 0.01)
    (0.062, 1.0)
    """
    needed, low, high = -math.log(alpha), misses / known if known else 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        rejected = 0 < middle < 1 and float(evalues.log_pass(misses, known, middle)) >= needed
        low, high = (low, middle) if rejected else (middle, high)
    return high
