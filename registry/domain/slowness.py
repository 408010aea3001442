"""Slow answers: those above the baseline's running quantile, the candidate's above a multiple.

The threshold that an answer is held against comes from baseline answers before it, so it is not
chosen by what it is compared with; how exact it is changes what is compared, not the error rate of
the comparison. It is set anew at fixed counts of baseline answers, whenever one looks.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from registry.domain.exposure import ExposureTable
from registry.domain.unit_lots import UnitSet

_GROWTH = 1.5  # the threshold is set anew when the count of baseline answers grew by this
_TAIL = 10  # answers beyond the quantile before the first threshold is set
_FINENESS = 1.01  # ratio of a bucket's edges
_LEAST_MS = 0.01
_BUCKETS = 1 + int(np.log(1e10) / np.log(_FINENESS))


def _no_counts() -> npt.NDArray[np.int64]:
    return np.zeros(_BUCKETS, np.int64)


@dataclass(frozen=True, slots=True)
class SlowAnswers:
    """Units that met a slow answer, counted once each.

    events: by share and arm (candidate or not), how many. threshold_ms: the baseline's quantile as
    it stands, None before there are enough of its answers.
    """

    quantile: float
    ratio: float
    events: Mapping[tuple[float, bool], int] = field(default_factory=dict)
    threshold_ms: float | None = None
    units: UnitSet = field(default_factory=UnitSet)
    histogram: npt.NDArray[np.int64] = field(default_factory=_no_counts)
    answers: int = 0
    next_at: int = 0

    @property
    def needed(self) -> int:
        """Baseline answers that the first threshold takes."""
        return round(_TAIL / (1 - self.quantile))


def see(slow: SlowAnswers, rows: ExposureTable) -> tuple[SlowAnswers, npt.NDArray[np.intp]]:
    """The count after rows of one share, and where units were slow for the first time."""
    fast_first = np.where(rows.failed, np.inf, rows.answer_ms)
    timed = ~np.isnan(fast_first)
    baseline = np.flatnonzero(timed & ~rows.candidate)
    found, start = [], 0
    while start < len(rows):
        end = _until(slow, baseline, start, len(rows))
        part = slice(start, end)
        slow, positions = _meet(slow, rows, fast_first, part)
        found.append(positions)
        slow = _measure(slow, fast_first[part][(timed & ~rows.candidate)[part]])
        start = end
    return slow, np.concatenate(found) if found else np.empty(0, np.intp)


def _until(slow: SlowAnswers, baseline: npt.NDArray[np.intp], start: int, end: int) -> int:
    """The position up to which the present threshold holds."""
    missing = max(slow.next_at, slow.needed) - slow.answers
    coming = baseline[np.searchsorted(baseline, start) :]
    return int(coming[missing - 1]) + 1 if len(coming) >= missing else end


def _meet(
    slow: SlowAnswers, rows: ExposureTable, times: npt.NDArray[np.float64], part: slice
) -> tuple[SlowAnswers, npt.NDArray[np.intp]]:
    if slow.threshold_ms is None:
        return slow, np.empty(0, np.intp)
    arms = rows.candidate[part]
    limit = np.where(arms, slow.threshold_ms * slow.ratio, slow.threshold_ms)
    above = np.flatnonzero(times[part] > limit)
    first, units = slow.units.first_times(rows.units[part][above])
    positions = above[first]
    if not len(positions):
        return slow, positions
    share = float(rows.shares[part.start])
    new = Counter((share, bool(arm)) for arm in arms[positions])
    return replace(slow, events=Counter(slow.events) + new, units=units), positions + part.start


def _measure(slow: SlowAnswers, times: npt.NDArray[np.float64]) -> SlowAnswers:
    if not len(times):
        return slow
    with np.errstate(divide="ignore"):
        places = np.log(np.maximum(times, _LEAST_MS) / _LEAST_MS) / np.log(_FINENESS)
    buckets = np.clip(places, 0, _BUCKETS - 1).astype(np.intp)
    histogram = slow.histogram + np.bincount(buckets, minlength=_BUCKETS)
    answers = slow.answers + len(times)
    slow = replace(slow, histogram=histogram, answers=answers)
    if answers < max(slow.next_at, slow.needed):
        return slow
    bucket = int(np.searchsorted(np.cumsum(histogram), slow.quantile * answers))
    threshold = _LEAST_MS * _FINENESS ** (bucket + 1)
    return replace(slow, threshold_ms=threshold, next_at=int(np.ceil(answers * _GROWTH)))
