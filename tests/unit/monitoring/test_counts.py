"""Counting on the reference's edges, and adding counts up."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.domain.binning import BINS, Bins, FeatureCounts, bins_at_quantiles
from monitoring.domain.image_statistics import image_statistics
from monitoring.domain.window import LiveWindow, WindowCounts, merge

EDGES = Bins(edges=(0.0, 1.0, 2.0), mean=1.0, sd=0.5)

features = st.builds(
    FeatureCounts, st.tuples(*[st.integers(0, 99)] * 5), st.integers(-10_000, 10_000)
)
counts = st.builds(
    WindowCounts,
    rows=st.integers(0, 1000),
    features=st.dictionaries(st.sampled_from(["brightness", "sharpness"]), features),
    predicted=st.tuples(st.integers(0, 50), st.integers(0, 50)),
    scored=st.integers(0, 100),
    flagged=st.integers(0, 100),
)


def test_every_value_falls_into_the_place_that_the_edges_say():
    values = np.array([np.nan, -0.1, 0.0, 0.5, 1.0, 2.0, 2.1, np.inf, -np.inf])
    assert EDGES.count(values).counts == (1, 2, 2, 2, 2)


def test_the_mean_shift_is_in_standard_deviations_of_the_reference():
    assert EDGES.count(np.array([2.0, 2.0, np.nan])).moved == 2.0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32)))
def test_no_value_is_lost(values: list[float]):
    assert sum(EDGES.count(np.array(values, dtype=np.float64)).counts) == len(values)


def test_the_reference_falls_evenly_into_its_own_bins():
    values = np.random.default_rng(0).normal(size=6400)
    bins = bins_at_quantiles(values)
    reference = bins.count(values)
    assert len(bins.edges) == BINS + 1
    assert reference.counts[:2] == (0, 0)
    assert reference.counts[-1] == 0
    assert set(reference.counts[2:-1]) <= {99, 100, 101}


def test_the_tail_edges_stand_at_their_quantiles():
    values = np.random.default_rng(1).normal(size=5000)
    bins = bins_at_quantiles(values, with_tails=True)
    for quantile, edge in bins.tails:
        assert (values >= bins.edges[edge]).mean() == pytest.approx(1 - quantile, abs=1e-3)


@pytest.mark.parametrize("values", [[3.0] * 10, [0.0] * 90 + [1.0] * 10, [1.0, np.nan, np.inf]])
def test_values_that_repeat_or_are_not_finite_still_make_rising_edges(values: list[float]):
    bins = bins_at_quantiles(np.array(values))
    assert len(bins.edges) >= 2
    assert (np.diff(bins.edges) > 0).all()
    assert sum(bins.count(np.array(values)).counts) == len(values)


@given(counts, counts, counts)
def test_windows_add_up_in_any_order_and_grouping(
    a: WindowCounts, b: WindowCounts, c: WindowCounts
):
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + WindowCounts() == a


def test_merging_windows_equals_counting_their_rows_at_once():
    values = np.random.default_rng(2).normal(1.0, 1.0, size=300)
    parts = [values[:7], values[7:150], values[150:]]

    def window(epoch: int, part: np.ndarray) -> LiveWindow:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        seen = WindowCounts(rows=len(part), features={"x": EDGES.count(part)})
        return LiveWindow("waste", 1, "a", epoch, moment, moment, seen)

    merged = merge(window(epoch, part) for epoch, part in enumerate(parts))
    assert merged == WindowCounts(rows=300, features={"x": EDGES.count(values)})


def a_flat_image(red: int, green: int, blue: int, side: int = 8) -> np.ndarray:
    image = np.empty((1, 3, side, side), dtype=np.uint8)
    image[0] = np.array([red, green, blue])[:, None, None]
    return image


def test_a_flat_image_has_its_colour_and_neither_contrast_nor_sharpness():
    seen = {name: v[0] for name, v in image_statistics(a_flat_image(200, 100, 0)).items()}
    assert (seen["red"], seen["green"], seen["blue"]) == (200, 100, 0)
    assert seen["brightness"] == pytest.approx(0.299 * 200 + 0.587 * 100)
    assert (seen["contrast"], seen["sharpness"]) == (0, pytest.approx(0, abs=1e-6))
    assert seen["saturation"] == pytest.approx(1.0)


def test_golden_sharpness_of_a_chessboard():
    # each neighbour differs by 255, so the Laplacian is +-4 * 255: variance 1020^2
    board = np.indices((8, 8)).sum(axis=0) % 2 * 255
    image = board[None, None].astype(np.uint8)
    assert image_statistics(image)["sharpness"][0] == pytest.approx(np.log10(1 + 1020**2))


def test_blurring_lowers_sharpness_and_darkening_lowers_brightness():
    sharp = np.random.default_rng(3).integers(0, 256, size=(4, 3, 16, 16)).astype(np.uint8)
    blurred = ((sharp[..., :-1].astype(int) + sharp[..., 1:]) // 2).astype(np.uint8)
    before, soft = image_statistics(sharp), image_statistics(blurred)
    assert (soft["sharpness"] < before["sharpness"]).all()
    assert (image_statistics(sharp // 2)["brightness"] < before["brightness"]).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_and_the_smallest_image_are_described(channels: int):
    seen = image_statistics(np.full((2, channels, 1, 1), 9, dtype=np.uint8))
    assert all(np.isfinite(v).all() and v.shape == (2,) for v in seen.values())
    assert ("saturation" in seen) == (channels == 3)
