"""The e-values keep their promises: golden numbers, and error rates by simulation."""

import numpy as np
import pytest
from scipy import special, stats

from registry.domain.evalues import (
    Floats,
    log_harm,
    log_harm_sampled,
    log_pass,
    log_pass_sampled,
    more_answers,
    more_reviews,
)

BOUND, LOOKS = 0.05, 3_000
PASS, HARM = np.log(20), np.log(100)


def error_paths(rate: float, runs: int, seed: int) -> Floats:
    """Errors so far after each of LOOKS reviews, one run a row."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.random((runs, LOOKS)) < rate, axis=1).astype(float)


def most_errors_to_pass() -> Floats:
    """For each number of reviews, the largest number of errors that passes; -1 for none.

    The evidence falls with the errors, so this says what `log_pass` says, at the cost of a table.
    """
    reviewed, errors = np.arange(1, LOOKS + 1)[:, None], np.arange(0, 151)[None, :]
    passes = (log_pass(errors, reviewed, BOUND) >= PASS) & (errors <= reviewed)
    return passes.sum(axis=1) - 1.0


def fewest_errors_of_harm() -> Floats:
    reviewed, errors = np.arange(1, LOOKS + 1)[:, None], np.arange(0, 401)[None, :]
    harms = (log_harm(errors, reviewed, BOUND) >= HARM) & (errors <= reviewed)
    return np.where(harms.any(axis=1), harms.argmax(axis=1), np.inf)


def test_the_mixture_is_the_one_that_statistics_md_defines() -> None:
    s, n = 3, 120
    arcsine = stats.beta(0.5, 0.5)
    weights = stats.beta(0.5 + s, 0.5 + n - s)
    ratio = np.log(weights.cdf(BOUND)) + special.betaln(0.5 + s, 0.5 + n - s)
    ratio -= np.log(arcsine.cdf(BOUND)) + special.betaln(0.5, 0.5)
    ratio -= s * np.log(BOUND) + (n - s) * np.log(1 - BOUND)
    assert log_pass(s, n, BOUND) == pytest.approx(ratio, abs=1e-9)


def test_harm_of_a_rate_is_a_pass_of_its_complement() -> None:
    assert log_harm(30, 100, 0.2) == pytest.approx(log_pass(70, 100, 0.8))


def test_no_review_is_no_evidence() -> None:
    assert log_pass(0, 0, BOUND) == pytest.approx(0.0, abs=1e-12)
    assert log_harm(0, 0, BOUND) == pytest.approx(0.0, abs=1e-12)


def test_evidence_stays_finite_however_extreme_the_counts() -> None:
    counts = np.array([0, 1, 50_000, 100_000])
    assert np.isfinite(log_pass(counts, 100_000, BOUND)).all()
    assert np.isfinite(log_harm(counts, 100_000, BOUND)).all()


# Golden medians of STATISTICS.md, section 1, and research/rollout.md, section 3.5.
@pytest.mark.parametrize(("rate", "golden"), [(0.02, 249), (0.01, 131), (0.0, 74)])
def test_the_median_number_of_reviews_to_pass(rate: float, golden: int) -> None:
    passed = error_paths(rate, 4_000, seed=1) <= most_errors_to_pass()
    first = np.where(passed.any(axis=1), passed.argmax(axis=1) + 1, np.inf)
    assert np.median(first) == pytest.approx(golden, abs=6)


def test_a_candidate_on_the_bound_passes_at_most_once_in_twenty_looked_at_after_every_review() -> (
    None
):
    share = (error_paths(BOUND, 6_000, seed=2) <= most_errors_to_pass()).any(axis=1).mean()
    error = 3 * np.sqrt(0.05 * 0.95 / 6_000)
    assert 0.038 - error <= share <= 0.043 + error
    assert share <= 0.05 + error


def test_a_naive_test_looked_at_as_often_passes_far_too_many() -> None:
    errors = error_paths(BOUND, 500, seed=2)[:, :2_000]
    reviewed = np.arange(1, 2_001)
    share = (stats.binom.cdf(errors, reviewed, BOUND) <= 0.05).any(axis=1).mean()
    assert share == pytest.approx(0.27, abs=0.06)


def test_harm_rolls_back_a_good_candidate_at_most_once_in_a_hundred_and_a_bad_one_soon() -> None:
    threshold = fewest_errors_of_harm()
    false = (error_paths(BOUND, 4_000, seed=3) >= threshold).any(axis=1).mean()
    assert false <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 4_000)
    harmed = error_paths(2 * BOUND, 2_000, seed=4) >= threshold
    first = np.where(harmed.any(axis=1), harmed.argmax(axis=1) + 1, np.inf)
    assert np.median(first) == pytest.approx(320, abs=25)


def sampled(rate: float, runs: int, seed: int) -> Floats:
    """Weighted losses: a fifth flagged and all reviewed, a fifth of the others."""
    rng = np.random.default_rng(seed)
    shape = (runs, 1_500)
    flagged = rng.random(shape) < 0.2
    chances = np.where(flagged, 1.0, 0.2)
    # Flagged answers are wrong three times as often: a naive rate of the reviewed is too high.
    errors = rng.random(shape) < rate * np.where(flagged, 3.0, 1.0) / 1.4
    return errors * (rng.random(shape) < chances) / chances


def share_reaching(paths: Floats, threshold: float) -> float:
    return float((paths >= threshold).any(axis=1).mean())


def test_sampled_review_keeps_the_error_rate_of_promotions() -> None:
    share = share_reaching(log_pass_sampled(sampled(BOUND, 400, 5), 0.2, BOUND), PASS)
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_sampled_review_keeps_the_error_rate_of_rollbacks() -> None:
    share = share_reaching(log_harm_sampled(sampled(BOUND, 400, 6), BOUND), HARM)
    assert share <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 400)


def test_sampled_review_passes_good_candidates_and_stops_bad_ones() -> None:
    assert share_reaching(log_pass_sampled(sampled(0.01, 100, 7), 0.2, BOUND), PASS) > 0.9
    assert share_reaching(log_harm_sampled(sampled(0.15, 100, 8), BOUND), HARM) > 0.9


def test_a_bet_is_fair_on_the_bound_and_never_ruined() -> None:
    losses = sampled(BOUND, 4_000, 9)[:, :60].reshape(-1, 3)
    for logs in (log_pass_sampled(losses, 0.2, BOUND), log_harm_sampled(losses, BOUND)):
        wealth = np.exp(logs[:, -1])
        assert wealth.mean() == pytest.approx(1.0, abs=4 * wealth.std() / len(wealth) ** 0.5)
    assert np.isfinite(log_pass_sampled(np.full(1_000, 5.0), 0.2, BOUND)).all()


def test_a_whole_sample_agrees_with_full_review_within_what_betting_costs() -> None:
    bet = int((log_pass_sampled(np.zeros(200), 1.0, BOUND) >= PASS).argmax()) + 1
    assert 74 <= bet <= 1.2 * 74


@pytest.mark.parametrize(("errors", "reviewed"), [(0, 0), (0, 12), (2, 100), (3, 120)])
def test_the_estimate_of_remaining_reviews_is_where_the_evidence_suffices(
    errors: int, reviewed: int
) -> None:
    more = more_reviews(errors, reviewed, BOUND, 0.05)
    assert more is not None
    rate = errors / reviewed if reviewed else 0.0
    assert log_pass(errors + rate * (more + 1), reviewed + more + 1, BOUND) >= PASS
    assert log_pass(errors + rate * (more - 2), reviewed + more - 2, BOUND) < PASS


def test_there_is_no_estimate_for_a_rate_that_cannot_pass() -> None:
    assert more_reviews(6, 100, BOUND, 0.05) is None
    assert more_answers(np.full(50, 0.2), 1.0, BOUND, 0.05) is None


def test_the_estimate_for_sampled_review_is_where_the_evidence_suffices() -> None:
    more = more_answers(np.zeros(0), 0.2, BOUND, 0.05)
    assert more is not None
    path = log_pass_sampled(np.zeros(more + 1), 0.2, BOUND)
    assert path[-1] >= PASS > path[-4]
