"""Where a value stands among those of the training data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.domain.placing import place
from monitoring.domain.profile import Kind, Profile, profile_features

AGES = {"age": np.linspace(18.0, 91.0, 2000)}
PROFILE = Profile(("a", "b"), 2000, 0, profile_features(Kind.COLUMN, AGES), (1, 1))


def test_a_value_beyond_the_training_data_is_outside_on_its_side():
    (old,) = place(PROFILE, {"age": 97.0}, said={"age": 97})
    assert old.outside
    assert old.sentence == "age is 97, above all training values (18 to 91)"
    (young,) = place(PROFILE, {"age": 3.0})
    assert young.sentence == "age is 3, below all training values (18 to 91)"
    assert (young.below, old.below) == (0.0, 1.0)


@given(st.floats(18.0, 91.0))
def test_a_value_within_says_how_many_are_smaller(age: float):
    (one,) = place(PROFILE, {"age": age})
    assert not one.outside
    assert one.below == pytest.approx((age - 18) / 73, abs=0.01)
    assert one.usual == pytest.approx((18 + 0.05 * 73, 91 - 0.05 * 73), abs=0.5)


def test_the_extremes_within_are_told_from_the_middle():
    (low,) = place(PROFILE, {"age": 18.05})
    assert "lower than 99.9% of the training values" in low.sentence
    (middle,) = place(PROFILE, {"age": 54.5})
    assert "higher than 50% of the training values" in middle.sentence


def test_the_oddest_come_first_and_what_the_profile_does_not_know_is_left_out():
    values = {"age": AGES["age"], "height": np.linspace(1.5, 2.0, 2000)}
    both = Profile(("a",), 2000, 0, profile_features(Kind.COLUMN, values), (1,))
    found = place(both, {"age": 50.0, "height": 3.0, "shoe": 44.0})
    assert [one.name for one in found] == ["height", "age"]


def test_an_unknown_category_is_outside_and_a_missing_value_is_not():
    codes = Profile(
        ("a",), 3, 0, profile_features(Kind.COLUMN, {"site": np.array([1.0, 2.0, 3.0])}), (1,)
    )
    unknown, known, missing = (
        place(codes, {"site": code}, frozenset({"site"}), {"site": said})[0]
        for code, said in ((0.0, "mars"), (2.0, "north"), (0.0, None))
    )
    assert unknown.outside
    assert unknown.sentence == "site is “mars”, which no training input had"
    assert not known.outside
    assert not missing.outside
    assert missing.sentence == "site is missing"
    assert place(PROFILE, {"age": math.nan})[0].sentence == "age is missing"


def test_what_the_model_says_is_no_value_of_the_input():
    told = profile_features(Kind.OUTPUT, {"probability of a": np.linspace(0, 1, 100)})
    assert place(Profile(("a",), 100, 0, told, (1,)), {"probability of a": 0.5}) == ()
