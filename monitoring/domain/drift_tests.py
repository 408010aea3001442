"""Comparing a live window with the reference: every test, its effect, and one verdict.

A test alarms if its p-value survives Holm's correction over all tests at the stated level, and its
effect matters. That holds for one look at independent rows: `monitoring.domain.detector` is for
looking again and again, `monitoring.domain.history` for streams whose rows come in runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from monitoring.domain.count_tests import (
    Counts,
    TestOutcome,
    class_test,
    g_test,
    group,
    ks_test,
    tail_test,
)
from monitoring.domain.effects import (
    Effect,
    jensen_shannon_effect,
    share_effect,
    wasserstein_effect,
)
from monitoring.domain.multiple_tests import family_weights, holm
from monitoring.domain.profile import PREDICTED, FeatureProfile, Profile
from monitoring.domain.window import WindowCounts
from registry.domain.errors import Invalid


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a difference is an alarm.

    level: chance of an alarm in a window without shift. wasserstein: in reference standard
    deviations. jensen_shannon: distance, 0 to 1. share: more rows in a tail, as a share of all.
    """

    level: float = 0.01
    wasserstein: float = 0.1
    jensen_shannon: float = 0.1
    share: float = 0.01


@dataclass(frozen=True, slots=True)
class DriftTest:
    """One test of one feature.

    importance: the effect as a multiple of its threshold; from 1 on it matters. moved: the mean
    shift in reference standard deviations, if the feature has a mean.
    """

    feature: str
    test: str
    family: str
    statistic: float
    p_value: float
    effect: Effect
    importance: float
    moved: float | None = None
    p_adjusted: float = 1.0
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all tests say about a window of `rows` inputs."""

    rows: int
    tests: tuple[DriftTest, ...]
    level: float

    @property
    def alarm(self) -> bool:
        """Whether any test alarms."""
        return any(test.alarm for test in self.tests)

    @property
    def smallest_p(self) -> float:
        """The smallest adjusted p-value; 1 if there was nothing to test."""
        return min((test.p_adjusted for test in self.tests), default=1.0)

    @property
    def distance(self) -> float:
        """One number for how far the window is: the largest effect, as a multiple of threshold."""
        return max((t.importance for t in self.tests), default=0.0)


def compare(
    profile: Profile,
    window: WindowCounts,
    thresholds: Thresholds = Thresholds(),
    seed: int = 0,
) -> Comparison:
    """Test every comparable feature of the window against the reference.

    The seed is for bootstrap intervals and permutations: the same counts give the same answer.
    """
    rng = np.random.default_rng(seed)
    tests = [t for f in profile.tested for t in _feature_tests(f, window, thresholds, rng)]
    if profile.held_out and sum(window.predicted) > 0:
        tests.append(_class_test(profile, window, thresholds, rng))
    if not tests:
        return Comparison(window.rows, (), thresholds.level)
    weights = family_weights([t.family for t in tests])
    adjusted = holm([t.p_value for t in tests], weights.tolist())
    judged = tuple(
        replace(t, p_adjusted=float(p), alarm=bool(t.importance >= 1 and p <= thresholds.level))
        for t, p in zip(tests, adjusted, strict=True)
    )
    return Comparison(window.rows, judged, thresholds.level)


def _feature_tests(
    feature: FeatureProfile, window: WindowCounts, thresholds: Thresholds, rng: np.random.Generator
) -> Iterator[DriftTest]:
    live = window.features.get(feature.name)
    if live is None:
        return
    if len(live.counts) != len(feature.reference.counts):
        raise Invalid(
            f"the live counts of {feature.name} do not fit this version's reference; they were "
            "counted for another bundle"
        )
    if live.missing or feature.reference.missing:
        yield _missing_test(feature, window, thresholds)
    if live.rows == 0:
        return
    reference, present, moved = feature.reference.present, live.present, live.moved
    grouped = group(reference, present)
    g, divergence = g_test(*grouped), jensen_shannon_effect(*grouped, rng)
    ks = ks_test(reference, present)
    distance = wasserstein_effect(feature.bins, reference, present, moved, rng)
    family, name = feature.kind.value, feature.name
    importance = divergence.size / thresholds.jensen_shannon
    yield DriftTest(name, "G", family, g.statistic, g.p_value, divergence, importance, moved)
    importance = distance.size / thresholds.wasserstein
    yield DriftTest(name, "KS", family, ks.statistic, ks.p_value, distance, importance, moved)
    for quantile, edge in feature.bins.tails:
        yield _tail_test(feature, present, quantile, edge, thresholds)


def _tail_test(
    feature: FeatureProfile, present: Counts, quantile: float, edge: int, thresholds: Thresholds
) -> DriftTest:
    reference = feature.reference.present
    first = edge + 1  # bin 0 lies below the first edge
    outcome = tail_test(reference, present, first)
    effect = share_effect(
        (int(reference[first:].sum()), int(reference.sum())),
        (int(present[first:].sum()), int(present.sum())),
    )
    name = f"tail beyond {100 * quantile:g} %"
    return _share_test(feature.name, name, "tail", outcome, effect, thresholds)


def _missing_test(
    feature: FeatureProfile, window: WindowCounts, thresholds: Thresholds
) -> DriftTest:
    live, reference = window.features[feature.name], feature.reference
    outcome = tail_test(
        np.array([reference.rows, reference.missing]), np.array([live.rows, live.missing]), 1
    )
    effect = share_effect(
        (reference.missing, reference.rows + reference.missing),
        (live.missing, live.rows + live.missing),
    )
    return _share_test(feature.name, "missing", "missing", outcome, effect, thresholds)


def _share_test(
    feature: str,
    test: str,
    family: str,
    outcome: TestOutcome,
    effect: Effect,
    thresholds: Thresholds,
) -> DriftTest:
    importance = effect.size / thresholds.share
    return DriftTest(feature, test, family, outcome.statistic, outcome.p_value, effect, importance)


def _class_test(
    profile: Profile, window: WindowCounts, thresholds: Thresholds, rng: np.random.Generator
) -> DriftTest:
    reference = np.array(profile.predicted, dtype=np.int64)
    live = np.array(window.predicted, dtype=np.int64)
    outcome = class_test(reference, live, rng)
    effect = jensen_shannon_effect(reference, live, rng)
    return DriftTest(
        feature=PREDICTED,
        test="chi-square",
        family="class",
        statistic=outcome.statistic,
        p_value=outcome.p_value,
        effect=effect,
        importance=effect.size / thresholds.jensen_shannon,
    )
