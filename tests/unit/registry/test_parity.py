"""Parity of answers, and compatibility of environments."""

import numpy as np
import pytest

from registry.domain.parity import Parity, compare, compare_batches, compare_labels, tolerance_for

ROWS = np.array([[0.2, 0.8], [0.5, 0.5]], dtype=np.float32)


@pytest.mark.parametrize(("shift", "passed"), [(0.0, True), (9e-6, True), (2e-5, False)])
def test_a_difference_passes_up_to_the_tolerance(shift: float, passed: bool):
    assert compare("x", ROWS + np.float32(shift), ROWS).passed is passed


def test_not_a_number_never_passes():
    found = ROWS.copy()
    found[0, 0] = np.nan
    assert not compare("x", found, ROWS).passed


def test_other_shapes_and_no_rows_never_pass():
    assert not compare("x", ROWS[:1], ROWS).passed
    assert not compare("x", ROWS[:0], ROWS[:0]).passed
    assert not Parity(()).passed


def test_the_order_of_labels_counts():
    assert compare_labels("x", ["a", "b"], ["a", "b"]).passed
    assert not compare_labels("x", ["a", "b"], ["b", "a"]).passed
    assert not compare_labels("x", ["a"], ["a", "b"]).passed


def test_a_failure_says_what_differs_and_by_how_much():
    parity = Parity((compare("predict", ROWS + np.float32(0.25), ROWS), compare("b", ROWS, ROWS)))
    assert not parity.passed
    assert parity.failures == ("predict: 2 rows, largest difference 2.5e-01 (over 1e-05)",)
    assert parity.max_abs_diff == pytest.approx(0.25)
    assert parity.document()["checks"][1]["passed"] is True


def test_batches_are_checked_by_size():
    assert [c.rows for c in compare_batches({"5": 0.0, "1": 1e-7})] == [1, 5]


@pytest.mark.parametrize(
    ("own", "allowed"),
    [(0.0, 1e-5), (2e-6, 1e-5), (1e-5, 4e-5), (1e-2, 1e-4), (float("nan"), 1e-5)],
)
def test_an_original_that_is_not_exact_asks_for_no_more_than_it_has(own: float, allowed: float):
    alone = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert tolerance_for(alone, alone + own) == pytest.approx(allowed)


def test_without_answers_to_compare_nothing_more_is_allowed():
    none, other = np.zeros((0, 2)), np.zeros((1, 2))
    assert tolerance_for(none, none) == tolerance_for(none, other) == 1e-5
