"""The scorer's promise: a stated share of normal inputs is flagged, and nearly all foreign ones."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from synthetic import BLOCKS, LABELS, a_world

from monitoring.domain import scorer_file
from monitoring.domain.conformal import RealisedRate, fit_surprise, held_out_rows_for, p_values
from monitoring.domain.gaussian import fit_gaussians
from monitoring.domain.out_of_domain import Scorer, fit_scorer, rows_needed, split
from monitoring.domain.signals import Signals, signals_of
from registry.domain.errors import Invalid
from registry.domain.observations import Observations

WORLD = a_world()
PENULTIMATE = BLOCKS[-1].width


def signals(observations: Observations) -> Signals:
    return signals_of(observations, PENULTIMATE)


def a_scorer(training: int = 800, calibration: int = 400, seed: int = 1) -> Scorer:
    rng = np.random.default_rng(seed)
    return fit_scorer(
        LABELS, signals(WORLD.draw(training, rng)), signals(WORLD.draw(calibration, rng))
    )


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return a_scorer()


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_the_realised_rate_lies_in_the_beta_binomial_interval(level: float):
    outside = 0
    for seed in range(10):
        scorer = a_scorer(training=400, seed=seed)
        fresh = WORLD.draw(2000, np.random.default_rng(100 + seed))
        flagged = int((scorer.score(fresh).p_values <= level).sum())
        rate = scorer.realised_rate(level)
        low, high = stats.betabinom(2000, rate.k, rate.held_out + 1 - rate.k).ppf([0.005, 0.995])
        outside += not low <= flagged <= high
    assert outside <= 1  # each lies inside with 99 %: two outside come once in 240 times


def test_over_many_calibrations_the_mean_rate_is_at_most_the_level():
    rng = np.random.default_rng(3)
    training = signals(WORLD.draw(300, rng))
    fresh = signals(WORLD.draw(2000, rng))
    rates = []
    for _ in range(20):
        scorer = fit_scorer(LABELS, training, signals(WORLD.draw(160, rng)))
        rates.append((scorer.score_signals(fresh).p_values <= 0.05).mean())
    assert np.mean(rates) <= 0.05 + 3 * np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) >= 0.03


def test_foreign_inputs_are_flagged_at_one_percent(scorer: Scorer):
    foreign = WORLD.draw_foreign(300, np.random.default_rng(4))
    assert (scorer.score(foreign).p_values <= 0.01).mean() >= 0.9


def test_far_inputs_reach_the_smallest_p_value_there_is(scorer: Scorer):
    far = WORLD.draw_foreign(50, np.random.default_rng(5))
    assert scorer.score(far).p_values.min() == pytest.approx(scorer.minimum_level)
    assert scorer.minimum_level < 0.01


def test_an_input_of_many_more_columns_than_training_rows_is_still_scored():
    rng = np.random.default_rng(6)
    training, calibration = WORLD.draw(60, rng), WORLD.draw(120, rng)
    scorer = fit_scorer(LABELS, signals(training), signals(calibration))
    fresh = scorer.score(WORLD.draw(1000, rng)).p_values
    foreign = scorer.score(WORLD.draw_foreign(200, rng)).p_values
    assert (fresh <= 0.05).mean() < 0.15
    assert (foreign <= 0.05).mean() > 0.9


def test_a_row_is_scored_the_same_alone_and_in_a_batch(scorer: Scorer):
    batch = WORLD.draw(32, np.random.default_rng(7))
    together = scorer.score(batch)
    alone = scorer.score(Observations(*(getattr(batch, f)[3:4] for f in Observations.__slots__)))
    assert together.fused[3] == pytest.approx(alone.fused[0], rel=1e-3)


def test_features_that_are_not_numbers_are_as_strange_as_can_be(scorer: Scorer):
    odd = signals(WORLD.draw(2, np.random.default_rng(8)))
    odd.vectors[0, 5] = np.nan
    assert scorer.score_signals(odd).p_values[0] == pytest.approx(scorer.minimum_level)


def test_the_reason_names_score_and_p_value_but_no_class(scorer: Scorer):
    scored = scorer.score(WORLD.draw_foreign(20, np.random.default_rng(9)))
    for i in range(len(scored)):
        sentence = scored.reason(i)
        assert "p = 0.00" in sentence
        assert "95 % of known images" in sentence
        assert not any(label in sentence for label in LABELS)


def test_a_usual_input_is_said_to_look_like_the_training_images(scorer: Scorer):
    scored = scorer.score(WORLD.draw(50, np.random.default_rng(10)))
    assert scored.reason(int(scored.p_values.argmax())).startswith("looks like the training images")


def test_a_level_finer_than_the_calibration_allows_is_refused_with_what_would_do(scorer: Scorer):
    scorer.require_level(0.01)
    with pytest.raises(Invalid, match=str(rows_needed(0.001))):
        scorer.require_level(0.001)


@given(st.floats(0.001, 0.5))
def test_rows_needed_are_enough(level: float):
    rows = rows_needed(level)
    _, b = split(rows, seed=0)
    assert 1 / (len(b) + 1) <= level * (1 + 1e-9)


def test_the_split_is_fixed_by_its_seed_and_covers_every_row():
    a, b = split(400, seed=3)
    assert (split(400, seed=3)[0] == a).all()
    assert sorted([*a, *b]) == list(range(400))
    assert len(b) > len(a)


def test_too_few_calibration_rows_are_refused():
    rng = np.random.default_rng(11)
    with pytest.raises(Invalid, match="not 100 and 5"):
        fit_scorer(LABELS, signals(WORLD.draw(100, rng)), signals(WORLD.draw(5, rng)))


def test_a_scorer_survives_its_file(scorer: Scorer):
    content = scorer_file.to_bytes(scorer)
    again = scorer_file.from_bytes(content)
    fresh = WORLD.draw(20, np.random.default_rng(12))
    assert (again.score(fresh).p_values == scorer.score(fresh).p_values).all()
    assert again.score(fresh).reason(0) == scorer.score(fresh).reason(0)
    assert scorer_file.to_bytes(again) == content


def test_a_scorer_file_with_pickled_objects_is_refused():
    buffer = io.BytesIO()
    np.savez(buffer, head=np.array([{"format": 1}], dtype=object))
    with pytest.raises(Invalid, match="cannot be read"):
        scorer_file.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not an archive"])
def test_a_damaged_scorer_file_is_refused(content: bytes):
    with pytest.raises(Invalid, match="cannot be read"):
        scorer_file.from_bytes(content)


def test_distances_are_mahalanobis_distances_when_rows_abound():
    rng = np.random.default_rng(13)
    covariance = np.array([[2.0, 0.8], [0.8, 1.0]])
    rows = rng.multivariate_normal([1.0, -1.0], covariance, size=20_000)
    fitted = fit_gaussians(rows, np.zeros(len(rows), dtype=int))
    point = np.array([[3.0, 0.0]])
    gap = point[0] - rows.mean(axis=0)
    expected = gap @ np.linalg.solve(np.cov(rows.T), gap)
    assert fitted.squared_distances(point)[0, 0] == pytest.approx(expected, rel=0.01)


def test_a_channel_that_was_dead_in_training_counts_as_far_and_finite():
    rng = np.random.default_rng(14)
    rows = np.column_stack([rng.normal(size=(500, 3)), np.zeros(500)])
    fitted = fit_gaussians(rows, np.zeros(500, dtype=int))
    alive = fitted.squared_distances(np.array([[0.0, 0.0, 0.0, 1.0]]))[0, 0]
    assert 100 < alive < np.inf


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50), st.floats(-1e6, 1e6))
@settings(max_examples=50)
def test_conformal_p_values_are_ranks(held_out: list[float], score: float):
    ordered = np.sort(held_out)
    p = float(p_values(np.array([score]), ordered)[0])
    assert p == (1 + sum(h >= score for h in held_out)) / (len(held_out) + 1)
    assert 0 < p <= 1


@given(st.lists(st.floats(-100, 100, width=32, allow_subnormal=False), min_size=3, max_size=60))
@settings(max_examples=50)
def test_surprise_never_falls_as_the_score_rises(held_out: list[float]):
    surprise = fit_surprise(np.array(held_out))
    grid = np.linspace(-150, 150, 301)
    assert (np.diff(surprise(grid)) >= -1e-9).all()


def test_golden_realised_rate():
    # Beta(3, 298): mean 3 / 301; the quantiles are scipy.stats.beta's
    rate = RealisedRate(0.01, 300)
    assert (rate.k, rate.mean) == (3, pytest.approx(3 / 301))
    assert rate.interval(0.95) == pytest.approx(tuple(stats.beta(3, 298).ppf([0.025, 0.975])))
    assert RealisedRate(0.001, 300).interval() == (0.0, 0.0)


def test_golden_held_out_rows():
    assert (held_out_rows_for(0.01), held_out_rows_for(0.05)) == (99, 19)
