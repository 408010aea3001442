"""What the tests of a window say, in sentences for a person."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from monitoring.domain.drift_tests import Comparison, DriftTest
from monitoring.domain.episode import Evidence
from monitoring.domain.history import AmongPast
from monitoring.domain.image_statistics import BRIGHTNESS, COLOURS
from monitoring.domain.profile import PREDICTED, Profile
from monitoring.domain.stretch import Stretch
from monitoring.domain.window import WindowCounts


def describe(comparison: Comparison, profile: Profile, window: WindowCounts) -> str:
    """The verdict as a sentence for a person."""
    rows = comparison.rows
    if comparison.alarm:
        return f"domain shift: {what_moved(comparison, profile, window)}"
    faint = [t for t in comparison.tests if t.p_adjusted <= comparison.level]
    if faint:
        names = ", ".join(t.feature for t in _one_a_feature(faint)[:3])
        return (
            f"no shift that matters in the last {rows} inputs; {names} moved measurably, a little"
        )
    if not comparison.tests:
        return f"nothing to compare in the last {rows} inputs"
    return f"no shift seen in the last {rows} inputs (smallest p = {comparison.smallest_p:.2g})"


def what_moved(comparison: Comparison, profile: Profile, window: WindowCounts) -> str:
    """The features that alarm, the surest three of them, and how far they moved."""
    parts = [_moved(test, profile, window) for test in _strongest(comparison)]
    return f"{', '.join(parts)} over {comparison.rows} inputs"


def shift_sentence(
    comparison: Comparison, profile: Profile, stretch: Stretch, since: datetime
) -> str:
    """What an alarm says to whoever is woken by it: what moved, how far, since when.

    The nearest statistic is named even if its test is not sure: the alarm is.
    """
    counts, sure = stretch.counts, ""
    if comparison.alarm:
        moved = ", ".join(_how_far(t, profile, counts) for t in _strongest(comparison))
    elif comparison.tests:
        nearest = min(comparison.tests, key=_by_sureness)
        moved = f"most of all {_how_far(nearest, profile, counts)}"
        sure = ", too few to be sure of any single statistic"
    else:
        moved = "nothing to compare"
    return f"domain shift: {moved}, since {since:%Y-%m-%d %H:%M} UTC ({counts.rows} inputs{sure})"


def shift_notes(stretch: Stretch, evidence: Evidence, rank: AmongPast) -> tuple[str, ...]:
    """The small print of an alarm: how sure it is, how usual, and what the tests can say."""
    picked = (
        f"The {stretch.counts.rows} inputs were picked by where the evidence begins to grow, at "
        f"{stretch.window_from:%H:%M:%S} UTC, so their p-values explain the alarm and do not "
        "decide it.",
    )
    return (
        f"How sure the alarm is: {evidence.sureness}.",
        f"How usual such inputs are here: {rank.sentence}.",
        *(picked if stretch.picked else ()),
    )


def quiet_sentence(
    comparison: Comparison,
    profile: Profile,
    counts: WindowCounts,
    evidence: Evidence,
    rank: AmongPast,
) -> str:
    """Why there is no alarm, though something may have moved."""
    if not comparison.alarm:
        return describe(comparison, profile, counts)
    moved = what_moved(comparison, profile, counts)
    if rank.p_value is not None:
        return f"no alarm: {moved}, which is usual here: {rank.sentence}"
    return (
        f"possible shift: {moved}; too little evidence for an alarm "
        f"({evidence.value:,.0f} of {evidence.run_length:,.0f}); {rank.sentence}"
    )


def _strongest(comparison: Comparison) -> Sequence[DriftTest]:
    return _worth_naming(_one_a_feature([t for t in comparison.tests if t.alarm]))[:3]


def _one_a_feature(tests: Sequence[DriftTest]) -> list[DriftTest]:
    """The surest test of each feature, surest first; a farther one breaks ties."""
    first = {t.feature: t for t in sorted(tests, key=_by_sureness, reverse=True)}
    return sorted(first.values(), key=_by_sureness)


def _by_sureness(test: DriftTest) -> tuple[float, float]:
    return test.p_adjusted, -abs(test.moved or test.effect.size)


def _worth_naming(tests: Sequence[DriftTest]) -> Sequence[DriftTest]:
    """Without the colours where brightness, their mean, has moved: that says it once."""
    if all(t.feature != BRIGHTNESS for t in tests):
        return tests
    return [t for t in tests if t.feature not in COLOURS]


def _moved(test: DriftTest, profile: Profile, window: WindowCounts) -> str:
    return f"{_how_far(test, profile, window)} (p = {test.p_adjusted:.1g})"


def _how_far(test: DriftTest, profile: Profile, window: WindowCounts) -> str:
    if test.feature == PREDICTED:
        return _class_that_moved(profile, window)
    if test.family in {"tail", "missing"}:
        share = f"{100 * test.effect.size:+.2g} % of inputs"
        what = "missing" if test.family == "missing" else f"in the {test.test}"
        return f"{share} {what} of {test.feature}"
    moved = test.moved or 0.0
    if abs(moved) < 0.1:
        return f"{test.feature} changed its shape by {test.effect.size:.2f}"
    return f"{test.feature} moved {moved:+.1f} sd"


def _class_that_moved(profile: Profile, window: WindowCounts) -> str:
    before = np.array(profile.predicted) / sum(profile.predicted)
    after = np.array(window.predicted) / sum(window.predicted)
    most = int(np.abs(after - before).argmax())
    return (
        f"answers of {profile.labels[most]} went from {100 * before[most]:.0f} % "
        f"to {100 * after[most]:.0f} %"
    )
