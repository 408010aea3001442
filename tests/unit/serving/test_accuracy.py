"""Estimates from reviewed answers: golden numbers, and coverage by simulation."""

import numpy as np
import pytest

from serving.domain.accuracy import (
    Estimate,
    Known,
    difference,
    error_rate,
    hajek,
    rogan_gladen,
    wilson,
)
from serving.domain.agreement import cohen_kappa, krippendorff_alpha

# Krippendorff 2011, example C: four observers, twelve units; alpha of nominal data is 0.743.
C = ("1 1 . 1", "2 2 3 2", "3 3 3 3", "3 3 3 3", "2 2 2 2", "1 2 3 4", "4 4 4 4", "1 1 2 1",
     "2 2 2 2", ". 5 5 5", ". . 1 1", ". 3 . .")  # fmt: skip


def test_krippendorffs_own_example():
    units = [[label for label in unit.split() if label != "."] for unit in C]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_agreement_needs_something_to_differ_on():
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1.0
    assert cohen_kappa([]) is None
    assert cohen_kappa([("a", "a")]) is None


def test_cohens_kappa_and_its_error_equal_published_ones():
    # Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, table 18.1 (n = 200).
    table = {"aa": 106, "ab": 10, "ac": 4, "ba": 22, "bb": 28, "bc": 10, "ca": 2, "cb": 12, "cc": 6}
    pairs = [(key[0], key[1]) for key, count in table.items() for _ in range(count)]
    found = cohen_kappa(pairs)
    assert found is not None
    assert found.value == pytest.approx(0.429, abs=5e-4)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(0.0537, abs=5e-4)


def test_newcombes_own_examples():
    assert wilson(0, 20).high == pytest.approx(0.1611, abs=5e-5)
    found = difference((9, 10), (3, 10))
    assert (found.low, found.high) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_equal_chances_are_the_plain_share():
    errors = np.arange(40) < 6
    plain, weighted = wilson(6, 40), hajek(errors, np.full(40, 0.1))
    assert weighted.value == pytest.approx(plain.value)
    assert weighted.low == pytest.approx(plain.low)
    assert weighted.high == pytest.approx(plain.high)


def test_answers_that_nobody_judged_bound_the_rate_from_both_sides():
    found = error_rate(np.array([True, False]), np.array([0.5, 0.5]), np.array([0.25]))
    assert (found.best, found.worst) == (0.25, 0.75)
    assert found.corrected is None


def test_faultless_reviewers_change_nothing_but_the_width():
    apparent = wilson(30, 300)
    found = rogan_gladen(apparent, Known(500, 500, 500, 500))
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert found.low < apparent.low < apparent.high < found.high + 0.01


def test_reviewers_no_better_than_chance_correct_nothing():
    assert rogan_gladen(wilson(3, 30), Known(10, 5, 10, 5)) is None
    assert rogan_gladen(wilson(3, 30), Known(0, 0, 10, 10)) is None


def month(rng: np.random.Generator, rate: float) -> tuple[float, Estimate]:
    """A month of mixed sampling: flagged answers all reviewed, others one in ten, 10 % mistaken."""
    flagged = rng.random(6000) < 0.08
    errors = rng.random(6000) < np.where(flagged, min(1.0, 4 * rate), rate * 0.74)
    chances = np.where(flagged, 1.0, 0.1)
    drawn = rng.random(6000) < chances
    said = errors[drawn] ^ (rng.random(int(drawn.sum())) < 0.1)
    wrong, right = 150, 150
    known = Known(wrong, int(rng.binomial(wrong, 0.9)), right, int(rng.binomial(right, 0.9)))
    found = error_rate(said, chances[drawn], np.empty(0), known).corrected
    assert found is not None
    return float(errors.mean()), found


def test_the_corrected_interval_covers_the_true_rate():
    rng = np.random.default_rng(11)
    months = [month(rng, 0.1) for _ in range(300)]
    covered = sum(found.low <= truth <= found.high for truth, found in months)
    assert covered >= 0.93 * len(months)
    assert abs(np.mean([found.value - truth for truth, found in months])) < 0.01
