"""From fitted reference to verdict: clean windows stay quiet, shifts are named."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from synthetic import BLOCKS, LABELS, a_world

from monitoring.domain import profile as profiles
from monitoring.domain import scorer_file
from monitoring.domain.binning import FeatureCounts
from monitoring.domain.drift_tests import Comparison, compare
from monitoring.domain.drift_words import describe
from monitoring.domain.profile import PREDICTED, Kind
from monitoring.domain.reference import PROFILE_FILE, SCORER_FILE, Reference
from monitoring.domain.window import WindowCounts
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import WindowRecorder, inputs_of
from monitoring.services.measure_drift import out_of_domain_document
from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock, Observations, concatenate

WORLD = a_world()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def a_reference(seed: int = 1, training: int = 800, calibration: int = 400) -> Reference:
    draw = rng(seed)
    files = MonitoringReferenceFitter().fit(
        LABELS, BLOCKS, [WORLD.draw(training, draw)], [WORLD.draw(calibration, draw)]
    )
    profile = profiles.from_json(files[PROFILE_FILE])
    return Reference(profile, scorer_file.from_bytes(files[SCORER_FILE]))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return a_reference()


def counted(reference: Reference, seen: Observations) -> WindowCounts:
    scored = reference.scorer.score(seen) if reference.scorer else None
    return inputs_of(reference.profile, seen, scored).count(reference)


def alarms(comparison: Comparison) -> set[str]:
    return {test.feature for test in comparison.tests if test.alarm}


def test_windows_without_a_shift_alarm_at_most_as_often_as_stated():
    """40 references and windows, all fresh: at 5 %, 7 alarms lie beyond 3 standard errors."""
    alarmed = 0
    for seed in range(40):
        draw = rng(1000 + seed)
        training, calibration = WORLD.draw(120, draw), WORLD.draw(240, draw)
        files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [training], [calibration])
        profile = profiles.from_json(files[PROFILE_FILE])
        fresh = Reference(profile, scorer_file.from_bytes(files[SCORER_FILE]))
        window = counted(fresh, WORLD.draw(150, draw))
        alarmed += compare(profile, window).smallest_p <= 0.05
    assert alarmed < 7


def test_a_window_equal_to_the_reference_never_alarms(reference: Reference):
    profile = reference.profile
    window = WindowCounts(
        rows=profile.rows,
        features={f.name: f.reference for f in profile.features},
        predicted=profile.predicted,
    )
    comparison = compare(profile, window)
    assert not comparison.alarm
    assert comparison.smallest_p > 0.9


def test_darker_images_are_named_by_how_far_brightness_moved(reference: Reference):
    window = counted(reference, WORLD.draw(120, rng(2), darker=30))
    comparison = compare(reference.profile, window)
    sentence = describe(comparison, reference.profile, window)
    assert "brightness" in alarms(comparison)
    assert sentence.startswith("domain shift: brightness moved -")
    assert sentence.endswith("over 120 inputs")
    assert "red" not in sentence


def test_a_label_shift_is_found_by_the_predicted_class(reference: Reference):
    shifted = WORLD.draw(200, rng(3), shares=(0.55, 0.15, 0.15, 0.15))
    window = counted(reference, shifted)
    comparison = compare(reference.profile, window)
    assert PREDICTED in alarms(comparison)
    assert "answers of cardboard went from" in describe(comparison, reference.profile, window)


def test_noisy_features_are_found_by_the_distances(reference: Reference):
    window = counted(reference, WORLD.draw(100, rng(4), noise=0.6))
    assert "feature distance" in alarms(compare(reference.profile, window))


def test_a_few_foreign_inputs_are_found_by_the_tail(reference: Reference):
    draw = rng(5)
    mixed = concatenate([WORLD.draw(450, draw), WORLD.draw_foreign(50, draw)])
    comparison = compare(reference.profile, counted(reference, mixed))
    tails = [t for t in comparison.tests if t.family == "tail" and t.alarm]
    assert tails


def test_a_difference_that_is_sure_but_small_is_no_alarm(reference: Reference):
    window = counted(reference, WORLD.draw(30_000, rng(6), darker=1.0))
    comparison = compare(reference.profile, window)
    small = [t for t in comparison.tests if t.feature == "brightness" and t.test == "KS"]
    assert not small[0].alarm


def test_every_effect_lies_in_its_interval(reference: Reference):
    window = counted(reference, WORLD.draw(150, rng(7), darker=10))
    for test in compare(reference.profile, window).tests:
        assert test.effect.low <= test.effect.size <= test.effect.high
        assert 0 < test.p_value <= test.p_adjusted <= 1


def test_the_same_counts_give_the_same_verdict(reference: Reference):
    window = counted(reference, WORLD.draw(150, rng(8)))
    assert compare(reference.profile, window) == compare(reference.profile, window)


def test_values_that_are_missing_are_tested(reference: Reference):
    seen = WORLD.draw(100, rng(9))
    seen.probabilities[:30] = np.nan
    comparison = compare(reference.profile, counted(reference, seen))
    missing = {t.feature for t in comparison.tests if t.test == "missing" and t.alarm}
    assert "largest probability" in missing


def test_counts_of_another_bundle_are_refused(reference: Reference):
    window = WindowCounts(rows=3, features={"brightness": FeatureCounts((0, 1, 1, 1), 0)})
    with pytest.raises(Invalid, match="another bundle"):
        compare(reference.profile, window)


def test_outputs_and_scores_are_counted_on_held_out_rows_and_images_on_all(reference: Reference):
    rows = {f.name: f.reference.rows for f in reference.profile.features}
    assert rows["brightness"] == 1200
    assert rows["feature distance"] == rows["largest probability"] == 400
    assert rows["out of domain"] == 300


def test_foreign_inputs_count_as_out_of_domain_however_few_rows_were_held_out():
    few = a_reference(training=400, calibration=120)
    assert few.scorer is not None
    assert few.scorer.minimum_level == few.out_of_domain_level == 1 / 91
    foreign = WORLD.draw_foreign(118, rng(31))
    assert counted(few, foreign).out_of_domain_ratio == 1.0
    usual = counted(few, WORLD.draw(5_000, rng(32)))
    assert 0.0 < usual.flagged / usual.scored < 0.05  # Beta(1, 90): 99 % lie below 0.05
    assert out_of_domain_document(usual, few) == {
        "flagged": usual.flagged,
        "rows": 5_000,
        "ratio": usual.flagged / 5_000,
        "expected": 1 / 91,
        "finest_of": 90,
    }


def test_where_held_out_rows_suffice_inputs_count_at_1_percent(reference: Reference):
    said = out_of_domain_document(counted(reference, WORLD.draw_foreign(50, rng(33))), reference)
    assert said is not None
    assert (said["ratio"], said["expected"], said["finest_of"]) == (1.0, 0.01, None)


def test_without_calibration_data_there_is_no_scorer_and_outputs_are_not_tested():
    files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [WORLD.draw(300, rng(11))], None)
    profile = profiles.from_json(files[PROFILE_FILE])
    assert list(files) == [PROFILE_FILE]
    assert not profile.held_out
    assert {f.kind for f in profile.tested} == {Kind.IMAGE}
    seen = WORLD.draw(100, rng(12), shares=(1, 0, 0, 0))
    window = inputs_of(profile, seen, None).count(Reference(profile))
    assert {t.family for t in compare(profile, window).tests} == {"image"}


def test_fitting_twice_gives_the_same_bytes_however_the_data_are_batched():
    training, calibration = WORLD.draw(100, rng(13)), WORLD.draw(60, rng(14))
    halves = [
        Observations(*(getattr(training, f)[part] for f in Observations.__slots__))
        for part in (slice(0, 50), slice(50, 100))
    ]
    fit = MonitoringReferenceFitter().fit
    whole = fit(LABELS, BLOCKS, [training], [calibration])
    assert fit(LABELS, BLOCKS, iter(halves), [calibration]) == whole


def test_a_graph_whose_features_do_not_fit_its_blocks_is_refused():
    with pytest.raises(Invalid, match="blocks add up to 7"):
        MonitoringReferenceFitter().fit(
            LABELS, [FeatureBlock("x", 7)], [WORLD.draw(30, rng(15))], None
        )


def test_training_data_without_images_are_refused():
    with pytest.raises(Invalid, match="training data are empty"):
        MonitoringReferenceFitter().fit(LABELS, BLOCKS, [], None)


def test_the_confusion_matrix_counts_true_by_predicted(reference: Reference):
    matrix = np.array(reference.profile.confusion)
    assert matrix.sum() == 400
    assert tuple(matrix.sum(axis=0)) == reference.profile.predicted


def test_left_out_power_is_a_share_for_each_label(reference: Reference):
    power = reference.profile.left_out_power
    assert set(power) == set(LABELS)
    assert all(0 <= share <= 1 for share in power.values())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 99}', b'{"format": 1}'])
def test_a_damaged_profile_is_refused(content: bytes):
    with pytest.raises(Invalid, match="register the version again"):
        profiles.from_json(content)


def test_a_profile_survives_its_file(reference: Reference):
    assert profiles.from_json(profiles.to_json(reference.profile)) == reference.profile


def test_a_recorder_counts_every_batch_once_and_starts_anew_after_a_drain(reference: Reference):
    recorder = WindowRecorder(reference, "waste", 3, "a")
    one, other = WORLD.draw(10, rng(16)), WORLD.draw(5, rng(17))
    assert recorder.drain(NOW) is None
    for seen in (one, other):
        recorder.observe(seen, reference.scorer.score(seen), NOW)
    first = recorder.drain(NOW + timedelta(seconds=5))
    assert first is not None
    assert first.counts == counted(reference, one) + counted(reference, other)
    assert (first.rows, first.started_at, first.replica) == (15, NOW, "a")
    assert recorder.drain(NOW) is None
    recorder.observe(one, reference.scorer.score(one), NOW)
    second = recorder.drain(NOW)
    assert second is not None
    assert second.epoch > first.epoch
