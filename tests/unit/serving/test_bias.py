"""When reviewers count as following the model, and when no longer."""

from datetime import timedelta

import pytest
from serving_fakes import NOW

from serving.domain.bias import Accepted, stand

LATER = NOW + timedelta(hours=1)
SWAYED, BLIND = Accepted(40, 20), Accepted(40, 4)


def test_the_bias_is_the_difference_of_what_is_accepted_with_its_interval():
    found = stand(SWAYED, BLIND, 0.1, NOW, None)
    assert found.bias is not None
    assert found.bounds == {
        "estimate": pytest.approx(0.4), "low": found.bias.low, "high": found.bias.high,
    }  # fmt: skip
    assert "accept 20 of 40 of the model's errors" in found.sentence
    assert "40 points (20 points to 56 points), beyond the limit of 10 points" in found.sentence


def test_a_fall_back_keeps_its_beginning_and_ends_by_the_same_rule():
    first = stand(SWAYED, BLIND, 0.1, NOW, None)
    again = stand(SWAYED, BLIND, 0.1, LATER, first)
    assert (first.fallen_back_at, again.fallen_back_at, again.at) == (NOW, NOW, LATER)
    over = stand(Accepted(140, 20), BLIND, 0.1, LATER, again)
    assert (over.has_fallen_back, over.is_beyond) == (False, False)
    assert over.sentence.endswith("not shown to be beyond the limit of 10 points")


def test_few_errors_show_nothing():
    assert not stand(Accepted(3, 3), Accepted(3, 1), 0.1, NOW, None).has_fallen_back
    silent = stand(Accepted(), BLIND, 0.1, NOW, None)
    assert (silent.bias, silent.bounds) == (None, {})
    assert "not measured yet" in silent.sentence
