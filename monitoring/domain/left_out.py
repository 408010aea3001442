"""How well the scorer would notice a class that it has never seen.

Each class in turn is left out of the fit and of the calibration, its probabilities are spread
over the other classes, and its held-out rows are scored. The network itself has still learnt the
class, so a class that it truly never saw will be somewhat harder to notice than this says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitoring.domain.out_of_domain import LEAST_ROWS, fit_scorer
from monitoring.domain.signals import Signals

LEVEL = 0.05
MOST_LABELS = 20
_LEAST_OF_CLASS = 5


def left_out_power(
    labels: Sequence[str], training: Signals, held_out: Signals, seed: int
) -> Mapping[str, float]:
    """For each label, the share of its held-out rows with p <= 5 % when its class is left out.

    Left empty for more than 20 labels; classes with too few rows are left out.
    """
    if not 3 <= len(labels) <= MOST_LABELS:
        return {}
    power = {}
    for c, label in enumerate(labels):
        known, fresh = training.classes != c, held_out.classes != c
        enough = min(known.sum(), fresh.sum()) >= LEAST_ROWS
        if enough and (~fresh).sum() >= _LEAST_OF_CLASS:
            scorer = fit_scorer(
                labels, _without(training, c).rows(known), _without(held_out, c).rows(fresh), seed
            )
            scored = scorer.score_signals(_without(held_out, c).rows(~fresh))
            power[label] = round(float((scored.p_values <= LEVEL).mean()), 4)
    return power


def _without(signals: Signals, c: int) -> Signals:
    others = np.delete(signals.probabilities, c, axis=1)
    total = np.maximum(others.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return replace(signals, probabilities=others / total, labels=signals.classes)
