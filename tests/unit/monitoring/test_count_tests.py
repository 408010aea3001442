"""The tests on counts: golden numbers against scipy, and error rates by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring.domain.binning import bins_at_quantiles
from monitoring.domain.count_tests import (
    class_test,
    g_test,
    group,
    hypergeometric_tail,
    ks_test,
    tail_test,
)
from monitoring.domain.effects import (
    jensen_shannon_effect,
    share_effect,
    wasserstein_effect,
)
from monitoring.domain.multiple_tests import family_weights, holm

bin_counts = st.lists(st.integers(0, 200), min_size=2, max_size=30).map(np.array)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_golden_g_test_without_the_correction():
    table = np.array([[30, 20, 50], [45, 25, 30]])
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    outcome = g_test(table[0], table[1])
    # Williams (1976) divides by q; here rows of 100 and columns of 75, 45, 80 give
    q = 1 + (200 * (1 / 100 + 1 / 100) - 1) * (200 * (1 / 75 + 1 / 45 + 1 / 80) - 1) / 2400
    assert outcome.statistic == pytest.approx(expected.statistic / q)
    assert outcome.p_value == pytest.approx(stats.chi2(2).sf(expected.statistic / q))


def test_golden_chi_square_on_predicted_classes():
    table = np.array([[300, 200, 500], [45, 25, 30]])
    expected = stats.chi2_contingency(table, correction=False)
    outcome = class_test(table[0], table[1], rng())
    assert outcome.statistic == pytest.approx(expected.statistic)
    assert outcome.p_value == pytest.approx(expected.pvalue)


def test_rare_classes_are_tested_by_permutation_close_to_the_exact_p_value():
    table = np.array([[300, 4], [46, 4]])
    exact = stats.fisher_exact(table).pvalue
    assert class_test(table[0], table[1], rng()).p_value == pytest.approx(exact, abs=0.01)


def test_golden_ks_statistic_and_asymptotic_p_value():
    one, other = rng(1).normal(size=400).round(1), rng(2).normal(0.3, 1, size=200).round(1)
    places = np.union1d(one, other)
    counts = [np.array([(sample == x).sum() for x in places]) for sample in (one, other)]
    outcome = ks_test(*counts)
    assert outcome.statistic == pytest.approx(stats.ks_2samp(one, other).statistic)
    d = outcome.statistic * np.sqrt(400 * 200 / 600)
    assert outcome.p_value == pytest.approx(stats.kstwobign.sf(d))


@pytest.mark.parametrize(
    ("reference", "window"), [((294, 6), (95, 5)), ((300, 0), (97, 3)), ((98, 2), (500, 0))]
)
def test_golden_tail_test_is_fishers(reference: tuple[int, int], window: tuple[int, int]):
    exact = stats.fisher_exact([window[::-1], reference[::-1]], alternative="greater").pvalue
    outcome = tail_test(np.array(reference), np.array(window), first=1)
    assert outcome.p_value == pytest.approx(exact)


@given(st.integers(0, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 60))
def test_hypergeometric_tail_is_scipys(x: int, drawn: int, marked: int, unmarked: int):
    total = marked + unmarked
    drawn = min(drawn, total)
    expected = stats.hypergeom(total, marked, drawn).sf(x - 1)
    assert hypergeometric_tail(x, drawn, marked, total) == pytest.approx(expected, abs=1e-9)


@given(bin_counts, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_p_values_are_in_the_unit_interval(reference: np.ndarray, seed: int):
    window = rng(seed).integers(0, 50, size=len(reference))
    for outcome in (
        g_test(*group(reference, window)),
        ks_test(reference, window),
        tail_test(reference, window, len(reference) - 1),
    ):
        assert 0 < outcome.p_value <= 1


@given(bin_counts)
@settings(max_examples=60, deadline=None)
def test_a_window_equal_to_the_reference_shows_nothing(reference: np.ndarray):
    assert g_test(*group(reference, reference)).p_value > 0.99
    assert ks_test(reference, reference).p_value == 1
    assert tail_test(reference, reference, len(reference) - 1).p_value > 0.4
    assert class_test(reference, reference, rng()).p_value > 0.99


def test_grouped_bins_keep_all_rows_and_hold_enough_of_each():
    reference, window = np.full(64, 5), np.full(64, 2)
    r, w = group(reference, window)
    assert (r.sum(), w.sum()) == (320, 128)
    assert r.min() * 128 / 320 >= 10


@pytest.mark.parametrize("reference_rows", [200, 1000, 5000])
@pytest.mark.parametrize("window_rows", [50, 200, 1000])
def test_false_alarms_stay_at_the_stated_level(reference_rows: int, window_rows: int):
    """300 clean pairs each; a rate of 5 % is within 3 standard errors below 5 + 3.8 %."""
    draw, trials = rng(reference_rows + window_rows), 300
    alarms = np.zeros(4)
    for _ in range(trials):
        values = draw.normal(size=reference_rows)
        bins = bins_at_quantiles(values, with_tails=True)
        reference = bins.count(values).present
        window = bins.count(draw.normal(size=window_rows)).present
        outcomes = (
            g_test(*group(reference, window)),
            ks_test(reference, window),
            *(tail_test(reference, window, edge + 1) for _, edge in bins.tails),
        )
        alarms += [outcome.p_value <= 0.05 for outcome in outcomes]
    assert (alarms / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)).all()


def test_two_percent_contamination_is_found_by_the_tail_and_missed_by_ks():
    draw, trials, found = rng(5), 60, np.zeros(2)
    for _ in range(trials):
        values = draw.normal(size=2000)
        bins = bins_at_quantiles(values, with_tails=True)
        reference = bins.count(values).present
        live = np.concatenate([draw.normal(size=980), draw.normal(8, 1, size=20)])
        window = bins.count(live).present
        tails = [tail_test(reference, window, edge + 1).p_value for _, edge in bins.tails]
        found += [min(tails) <= 0.01, ks_test(reference, window).p_value <= 0.01]
    assert found[0] / trials >= 0.9
    assert found[1] / trials <= 0.2


def test_golden_wasserstein_of_a_shift():
    values = rng(6).normal(10, 2, size=20_000)
    bins = bins_at_quantiles(values)
    live = bins.count(rng(7).normal(11, 2, size=20_000))
    effect = wasserstein_effect(bins, bins.count(values).present, live.present, live.moved, rng(8))
    assert effect.size == pytest.approx(0.5, abs=0.03)
    assert effect.low <= effect.size <= effect.high
    assert effect.high - effect.low < 0.1


def test_a_window_far_beyond_the_edges_has_its_whole_distance():
    values = rng(9).normal(size=500)
    bins = bins_at_quantiles(values)
    live = bins.count(np.full(100, 40.0))
    effect = wasserstein_effect(bins, bins.count(values).present, live.present, live.moved, rng(10))
    assert effect.size == pytest.approx(40, rel=0.1)


def test_golden_jensen_shannon():
    from scipy.spatial.distance import jensenshannon

    one, other = np.array([10, 30, 60]), np.array([40, 40, 20])
    effect = jensen_shannon_effect(one, other, rng())
    assert effect.size == pytest.approx(jensenshannon(one / 100, other / 100, base=2))
    assert jensen_shannon_effect(np.array([5, 0]), np.array([0, 5]), rng()).size == 1


def test_golden_newcombe_interval():
    # Newcombe (1998), method 10: 56/70 - 48/80 = .2, interval .0524 to .3339
    effect = share_effect((48, 80), (56, 70))
    assert (effect.size, effect.low, effect.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_golden_holm():
    # Holm's step-down with equal weights: 3 * .01, 2 * .02, and .04 lifted to the one before
    adjusted = holm([0.02, 0.01, 0.04], [1 / 3] * 3)
    assert adjusted == pytest.approx([0.04, 0.03, 0.04])


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=20))
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(p: list[float]):
    adjusted = holm(p, [1 / len(p)] * len(p))
    assert (adjusted >= np.array(p) - 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_each_family_gets_the_same_share_of_the_level():
    weights = family_weights(["image", "class", "image", "image"])
    assert weights == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])
