"""What an alarm says in the moment that it comes: the inputs since its evidence began to grow."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import numpy as np
import pytest
from drift_fakes import NOW, WORLD, Stream, a_reference
from synthetic import blurred

from monitoring.domain.inputs import Inputs, NewestInputs
from monitoring.domain.reference import Reference
from monitoring.domain.stretch import since_growth, whole
from monitoring.domain.window import Growth, LiveWindow, WindowCounts
from registry.domain.evidence import DriftMeasurement
from registry.domain.observations import Observations

SECOND = timedelta(seconds=1)
COLOURS = {"brightness", "red", "green", "blue", "saturation"}
CLASSES = {"predicted class", "largest probability"} | {
    f"probability of {label}" for label in ("cardboard", "glass", "metal", "paper")
}
SHIFTS: Mapping[str, tuple[Callable[[int, np.random.Generator], Observations], set[str]]] = {
    "dark": (lambda n, rng: WORLD.draw(n, rng, darker=15), COLOURS),
    "blur": (lambda n, rng: blurred(WORLD.draw(n, rng)), {"sharpness", "contrast", "saturation"}),
    "noise": (
        lambda n, rng: WORLD.draw(n, rng, noise=0.4),
        {"out of domain", "feature distance", "relative distance"},
    ),
    "label": (lambda n, rng: WORLD.draw(n, rng, shares=(0.55, 0.15, 0.15, 0.15)), CLASSES),
}
STREAMS = 10


@pytest.fixture(scope="module")
def reference() -> Reference:
    return a_reference()


def first_alarm(
    reference: Reference,
    draw: Callable[[int, np.random.Generator], Observations],
    rng: np.random.Generator,
) -> DriftMeasurement:
    """150 usual inputs, then shifted ones, 25 in each window, until the alarm."""
    stream = Stream(reference, step=SECOND)
    for _ in range(6):
        stream.see(WORLD.draw(25, rng))
    for _ in range(40):
        measured = stream.see(draw(25, rng))
        if measured and measured.alarm:
            return measured
    raise AssertionError("1,000 shifted inputs raised no alarm")


@pytest.mark.parametrize("name", SHIFTS)
def test_the_first_sentence_of_an_alarm_names_what_moved_in_9_of_10_streams(
    reference: Reference, name: str
):
    draw, moved = SHIFTS[name]
    named = 0
    for seed in range(STREAMS):
        alarm = first_alarm(reference, draw, np.random.default_rng([seed, len(name)]))
        sure = {test["feature"] for test in alarm.detail["tests"] if test["alarm"]}
        named += any(feature in alarm.sentence for feature in sure & moved) or (
            name == "label" and "answers of cardboard went from" in alarm.sentence
        )
    assert named >= 0.9 * STREAMS


def test_the_small_print_says_that_its_inputs_were_picked_and_how_many(reference: Reference):
    alarm = first_alarm(reference, SHIFTS["dark"][0], np.random.default_rng(3))
    assert alarm.rows < 150
    assert (
        f"The {alarm.rows} inputs were picked by where the evidence begins to grow, at 12:00:"
        in alarm.detail["notes"][-1]
    )
    assert "explain the alarm and do not decide it" in alarm.detail["notes"][-1]
    assert alarm.detail["picked"]


def test_once_the_newest_inputs_all_came_after_the_alarm_none_are_picked(reference: Reference):
    stream, rng = Stream(reference, step=15 * SECOND), np.random.default_rng(4)
    for darker in [0] * 3 + [15] * 9:
        stream.see(WORLD.draw(100, rng, darker=darker))
    assert stream.newest.alarm
    assert stream.newest.rows == 500
    assert not any("picked" in note for note in stream.newest.detail["notes"])
    since = stream.newest.detail["episode"]["since"][:16].replace("T", " ")
    assert f", since {since} UTC (500 inputs)" in stream.newest.sentence


def test_an_alarm_can_be_read_at_once(reference: Reference):
    alarm = first_alarm(reference, SHIFTS["dark"][0], np.random.default_rng(3))
    assert len(alarm.sentence.split()) <= 25
    assert "p =" not in alarm.sentence


def test_an_alarm_whose_tests_are_not_sure_names_the_nearest(reference: Reference):
    stream, rng = Stream(reference, step=SECOND), np.random.default_rng(5)
    stream.see(WORLD.draw(200, rng))
    stream.windows.put(replica="b", evidence=20_000.0, at=stream.now + SECOND / 2)
    stream.see(WORLD.draw(20, rng))
    assert stream.newest.alarm
    assert stream.newest.sentence.startswith("domain shift: most of all ")
    assert "too few to be sure of any single statistic" in stream.newest.sentence


def counted(rows: int) -> WindowCounts:
    return WindowCounts(rows=rows)


def a_window(replica: str, second: int, grown: int | None = None) -> LiveWindow:
    start, end = NOW + (second - 1) * SECOND, NOW + second * SECOND
    growth = None if grown is None else Growth(start - 10 * SECOND, counted(grown))
    return LiveWindow("waste", 1, replica, second, start, end, counted(100), 0.0, growth)


def test_each_replica_counts_since_its_own_evidence_grew_and_all_that_came_after():
    windows = [
        a_window("a", 5),
        a_window("b", 4, grown=70),
        a_window("a", 4, grown=30),
        a_window("b", 3, grown=60),
        a_window("c", 2),
    ]
    stretch = since_growth(windows, NOW + 4 * SECOND, silent_after=60 * SECOND)
    assert stretch is not None
    assert stretch.picked
    assert stretch.counts.rows == 100 + 70 + 30
    assert stretch.window_from == NOW + 3 * SECOND - 10 * SECOND
    assert stretch.window_to == NOW + 5 * SECOND


def test_a_replica_that_was_silent_at_the_alarm_explains_nothing():
    windows = [a_window("a", 100, grown=30), a_window("b", 1, grown=60)]
    stretch = since_growth(windows, NOW + 100 * SECOND, silent_after=60 * SECOND)
    assert stretch is not None
    assert stretch.counts.rows == 30


def test_without_grown_evidence_nothing_is_picked():
    windows = [a_window("a", 5), a_window("a", 4)]
    assert since_growth(windows, NOW + 4 * SECOND, silent_after=60 * SECOND) is None
    assert not whole(windows).picked


def of(values: list[float]) -> Inputs:
    column = np.array(values)
    return Inputs({"brightness": column}, np.zeros(len(column), dtype=np.int64), column)


def test_any_stretch_of_the_newest_inputs_counts_as_if_it_had_been_one_batch(reference: Reference):
    kept = NewestInputs(most=5)
    for i, batch in enumerate([[90.0, 120.0], [130.0], [140.0, 0.01, 200.0]]):
        kept.add(of(batch), NOW + i * SECOND)
    everything = [90.0, 120.0, 130.0, 140.0, 0.01, 200.0]
    for rows, first_batch in ((1, 2), (3, 2), (4, 1), (5, 0), (900, 0)):
        grown = kept.since(reference, rows)
        assert grown.counts == of(everything[-min(rows, 5) :]).count(reference)
        assert grown.since == NOW + first_batch * SECOND


def test_old_batches_are_forgotten(reference: Reference):
    kept = NewestInputs(most=3)
    for i in range(100):
        kept.add(of([100.0, 120.0]), NOW + i * SECOND)
    assert kept.since(reference, 900).since == NOW + 98 * SECOND
    assert kept.since(reference, 900).counts.rows == 3
