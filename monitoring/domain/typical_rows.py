"""Rows that would give the counts that were kept, for tools that want rows.

Live inputs are kept as counts between edges, not one by one. Within a bin the values stand evenly
spaced; beyond the first or the last edge they stand on it. Each feature is rebuilt by itself: what
hangs together in a row is not known any more.
"""

from collections.abc import Sequence

import numpy as np

from monitoring.domain.binning import Values


def typical_values(edges: Sequence[float], counts: Sequence[int], most: int) -> Values:
    """At most about `most` values in rising order whose counts are in the proportions of `counts`.

    counts: `[missing, below the first edge, bin 1, ..., above the last edge]`, as of a
    `FeatureCounts`. Missing ones are left out.
    """
    kept = thinned(counts[1:], most)
    starts = [edges[0], *edges]
    ends = [*edges, edges[-1]]
    parts = [
        start + (end - start) * (np.arange(n) + 0.5) / n
        for start, end, n in zip(starts, ends, kept, strict=True)
        if n
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def thinned(counts: Sequence[int], most: int) -> list[int]:
    """The counts themselves, or in the same proportions so that about `most` remain."""
    total = sum(counts)
    if total <= most:
        return list(counts)
    ends = np.rint(np.cumsum(counts) * (most / total)).astype(int)
    return [int(n) for n in np.diff(ends, prepend=0)]
