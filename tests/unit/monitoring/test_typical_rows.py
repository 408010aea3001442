"""Rows rebuilt from counts."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitoring.domain.binning import bins_at_quantiles
from monitoring.domain.typical_rows import thinned, typical_values


@given(st.integers(0, 1000), st.integers(2, 300), st.floats(-3, 3))
def test_rebuilt_values_fall_into_the_bins_they_were_counted_in(seed: int, rows: int, moved: float):
    draw = np.random.default_rng(seed)
    bins = bins_at_quantiles(draw.normal(size=200))
    counts = bins.count(draw.normal(moved, size=rows)).counts
    found = bins.count(typical_values(bins.edges, counts, most=1000)).counts
    inner, there = np.array(counts[3:-2]), np.array(found[3:-2])
    assert (inner == there).all()
    # What lay beyond an edge stands on it, which is to say in the first and the last bin.
    assert found[2] == counts[1] + counts[2]
    assert found[-2] == counts[-2] + counts[-1]


def test_missing_values_are_left_out():
    assert typical_values((0.0, 1.0), (7, 0, 2, 0), most=10).tolist() == [0.25, 0.75]


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=60), st.integers(1, 1000))
def test_thinning_keeps_the_proportions_to_within_a_row(counts: list[int], most: int):
    kept = thinned(counts, most)
    total = sum(counts)
    assert sum(kept) == min(total, most)
    share = min(1.0, most / total) if total else 0.0
    assert all(abs(n - count * share) <= 1 for n, count in zip(kept, counts, strict=True))
