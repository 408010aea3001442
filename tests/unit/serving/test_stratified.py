"""Shares compared within strata."""

import numpy as np
import pytest

from bench.review_bias import months, truth
from serving.domain.accuracy import difference
from serving.domain.stratified import common_difference


def test_one_stratum_is_compared_as_two_shares_are():
    one = common_difference([((56, 70), (48, 80))])
    assert one is not None
    found = difference((56, 70), (48, 80))
    assert (one.value, one.low, one.high) == pytest.approx((found.value, found.low, found.high))


def test_strata_weigh_by_what_they_can_tell():
    """Mantel and Haenszel: weights n1 n2 / n of 5 and 7.5, differences of 0.2 and 0.6."""
    found = common_difference([((4, 10), (2, 10)), ((8, 10), (6, 30)), ((5, 5), (0, 0))])
    assert found is not None
    assert found.value == pytest.approx((5 * 0.2 + 7.5 * 0.6) / 12.5)


def test_without_both_shares_in_any_stratum_nothing_is_known():
    assert common_difference([]) is None
    assert common_difference([((1, 2), (0, 0)), ((0, 0), (1, 2))]) is None


def test_no_errors_accepted_at_all_leave_room_on_both_sides():
    found = common_difference([((0, 5), (0, 5))])
    assert found is not None
    assert found.low < -0.2
    assert found.high > 0.2


@pytest.mark.parametrize("sway", [0.0, 0.3])
def test_the_interval_covers_the_bias_where_kinds_of_items_differ(sway: float):
    known = truth(sway)
    found = [m.alike for m in months(np.random.default_rng(7), 600, 60, sway)]
    sure = [one for one in found if one is not None]
    assert len(sure) == len(found)
    assert np.mean([one.value for one in sure]) == pytest.approx(known, abs=0.02)
    assert np.mean([one.low <= known <= one.high for one in sure]) > 0.93
    unlike = [m.unlike for m in months(np.random.default_rng(7), 600, 60, sway)]
    values = [one.value for one in unlike if one is not None]
    assert np.mean(values) > known + 0.05  # other items differ, whatever reviewers do
