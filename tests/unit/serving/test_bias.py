"""When reviewers count as following the model, and when no longer."""

from datetime import datetime, timedelta

import pytest
from serving_fakes import NOW

from serving.domain.bias import Accepted, Standing, Trials, stand

LATER = NOW + timedelta(hours=1)
SWAYED, BLIND = Accepted(40, 20), Accepted(40, 4)


def found(shown: Accepted, blind: Accepted, at: datetime = NOW, before: Standing | None = None):
    return stand((Trials(shown, blind),), 0.1, at, before)


def test_the_bias_is_the_difference_of_what_is_accepted_with_its_interval():
    swayed = found(SWAYED, BLIND)
    assert swayed.bias is not None
    assert swayed.bounds == {
        "estimate": pytest.approx(0.4), "low": swayed.bias.low, "high": swayed.bias.high,
    }  # fmt: skip
    assert "accepted 20 of 40 when its answer was shown" in swayed.sentence
    assert "40 points (20 points to 56 points), beyond the limit of 10 points" in swayed.sentence


def test_a_fall_back_keeps_its_beginning_and_ends_by_the_same_rule():
    first = found(SWAYED, BLIND)
    again = found(SWAYED, BLIND, LATER, first)
    assert (first.fallen_back_at, again.fallen_back_at, again.at) == (NOW, NOW, LATER)
    over = found(Accepted(140, 20), BLIND, LATER, again)
    assert (over.has_fallen_back, over.is_beyond) == (False, False)
    assert over.sentence.endswith("not shown to be beyond the limit of 10 points")


def test_few_errors_show_nothing():
    assert not found(Accepted(3, 3), Accepted(3, 1)).has_fallen_back
    silent = found(Accepted(), BLIND)
    assert (silent.bias, silent.bounds) == (None, {})
    assert "not measured yet" in silent.sentence


def test_items_are_compared_with_their_like():
    """Hard items were shown more often; within each kind nobody follows the model."""
    hard = Trials(Accepted(90, 81), Accepted(10, 9))
    easy = Trials(Accepted(10, 1), Accepted(90, 9))
    alike = stand((hard, easy), 0.1, NOW, None)
    assert alike.bias is not None
    assert alike.bias.value == pytest.approx(0)
    assert not alike.has_fallen_back
    together = found(hard.shown + easy.shown, hard.blind + easy.blind)
    assert together.has_fallen_back  # what a comparison of all with all would have done


def test_kinds_that_were_asked_in_one_way_only_say_nothing():
    lonely = stand((Trials(Accepted(9, 9)), Trials(SWAYED, BLIND)), 0.1, NOW, None)
    assert lonely.bounds == pytest.approx(found(SWAYED, BLIND).bounds)
    assert (lonely.shown, lonely.blind) == (SWAYED, BLIND)
