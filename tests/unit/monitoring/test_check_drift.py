"""From counts and evidence to one alarm an episode: when it begins, is kept, and ends."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from drift_fakes import NOW, WORLD, Stream, a_reference, fitted

from monitoring.domain.drift_tests import Thresholds
from monitoring.domain.episode import Episode, Evidence, Reading, comparable, evidence_of, judge
from monitoring.domain.history import AmongPast, PastWindow, among_past, carried
from monitoring.domain.reference import SCORER_FILE, Reference
from monitoring.services.attainable_level import attainable_level, require_level, told_level
from monitoring.services.measure_drift import DriftCheck
from registry.domain.errors import Invalid

SHORT = AmongPast(0, 99, None)
MINUTE = timedelta(minutes=1)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return a_reference()


def test_nothing_is_measured_before_the_minimum_of_rows(reference: Reference):
    stream = Stream(reference)
    assert stream.see(WORLD.draw(99, rng(18))) is None
    measured = stream.see(WORLD.draw(1, rng(19)))
    assert measured is not None
    assert (measured.rows, measured.alarm) == (100, False)
    assert measured.sentence.startswith("no shift seen in the last 100 inputs")


def test_the_same_rows_are_measured_once(reference: Reference):
    stream = Stream(reference)
    assert stream.see(WORLD.draw(120, rng(20))) is not None
    assert stream.measure() is None
    assert len(stream.drift.kept) == 1


def test_a_measurement_that_says_the_same_is_kept_after_25_more_inputs(reference: Reference):
    stream, draw = Stream(reference), rng(21)
    stream.see(WORLD.draw(120, draw))
    assert stream.see(WORLD.draw(24, draw)) is None
    assert stream.see(WORLD.draw(1, draw)) is not None


def test_a_stage_that_has_just_begun_gets_a_measurement_of_its_own(reference: Reference):
    stream, draw = Stream(reference), rng(22)
    stream.see(WORLD.draw(120, draw))
    began = stream.now + MINUTE / 2
    assert stream.see(WORLD.draw(1, draw)) is None
    assert stream.measure(wanted_since=began) is not None
    assert stream.measure(wanted_since=began) is None


def test_a_shift_is_one_alert_that_says_what_moved_and_how_sure(reference: Reference):
    stream, draw = Stream(reference), rng(23)
    for _ in range(5):
        stream.see(WORLD.draw(60, draw))
    assert stream.alerts.open is None
    for _ in range(4):
        stream.see(WORLD.draw(60, draw, darker=30))
    began = stream.newest.detail["episode"]["since"]
    assert stream.newest.alarm
    sentence, (sure, usual, picked) = stream.newest.sentence, stream.newest.detail["notes"]
    assert sentence.startswith("domain shift: ")
    assert "brightness moved -" in sentence
    assert f", since 2026-03-01 12:05 UTC ({stream.newest.rows} inputs)" in sentence
    assert sure.endswith("1 false alarm in 10,000 inputs at most, on average.")
    assert "history is too short" in usual
    assert "explain the alarm" in picked
    assert stream.alerts.raised == 1
    alarms = [m for m in stream.drift.kept if m.alarm]
    assert {m.detail["episode"]["since"] for m in alarms} == {began}
    assert began == alarms[0].at.isoformat()


def test_an_alert_ends_when_the_shift_is_over_and_a_new_shift_is_a_new_episode(
    reference: Reference,
):
    stream, draw = Stream(reference, DriftCheck(most_rows=120)), rng(24)
    episodes = []
    for _ in range(2):
        for _ in range(3):
            stream.see(WORLD.draw(60, draw, darker=30))
        assert stream.newest.alarm
        episodes.append(stream.newest.detail["episode"]["since"])
        for _ in range(4):
            stream.see(WORLD.draw(60, draw))
        assert stream.alerts.open is None
        assert stream.newest.detail["episode"] is None
    assert episodes[0] != episodes[1]
    assert stream.alerts.raised == 2


@pytest.mark.parametrize("back", [timedelta(hours=2), timedelta(days=400)])
def test_a_clock_that_is_set_back_blinds_nothing_and_ends_no_shift(
    reference: Reference, back: timedelta
):
    stream, draw = Stream(reference, DriftCheck(most_rows=120)), rng(29)

    def see(batches: int, **shift: float) -> list[bool]:
        """Whether each measurement that was kept finds a shift."""
        before = len(stream.drift.kept)
        for _ in range(batches):
            stream.see(WORLD.draw(60, draw, **shift))
        return [measured.alarm for measured in stream.drift.kept[before:]]

    assert see(5) == [False] * 4
    stream.now -= back
    assert see(4) == [False] * 3, "once there are enough inputs by this clock"
    assert stream.newest.window_from < stream.newest.window_to == stream.now
    assert see(4, darker=30)[-1]

    stream.now -= back
    assert see(4, darker=30) == [True] * 3, "the shift goes on"
    assert stream.alerts.raised == 1
    assert not see(4)[-1], "and ends when it is over"
    assert stream.alerts.open is None
    assert stream.measure(wanted_since=stream.now + back) is None, "a stage of the other clock"


def test_a_shift_is_found_while_a_clock_tells_times_that_there_were_before(reference: Reference):
    stream, draw = Stream(reference, DriftCheck(most_rows=120)), rng(30)
    for _ in range(10):
        stream.see(WORLD.draw(60, draw))
    stream.now -= 8 * MINUTE
    for _ in range(4):
        stream.see(WORLD.draw(60, draw, darker=30))
    assert stream.newest.alarm
    assert stream.newest.at == stream.now


def test_tests_that_alarm_without_enough_evidence_are_only_a_possible_shift(reference: Reference):
    stream = Stream(reference, DriftCheck(run_length=1e30))
    measured = stream.see(WORLD.draw(120, rng(25), darker=30))
    assert measured is not None
    assert not measured.alarm
    assert measured.sentence.startswith("possible shift: ")
    assert "brightness moved -" in measured.sentence
    assert "too little evidence for an alarm" in measured.sentence


def test_evidence_of_replicas_adds_up_and_silent_ones_do_not_count(reference: Reference):
    stream = Stream(reference)
    stream.see(WORLD.draw(120, rng(26)))
    own = stream.newest.detail["evidence"]["value"]
    stream.windows.put(replica="b", evidence=6_000.0, at=stream.now)
    stream.windows.put(replica="c", evidence=9_000.0, at=stream.now - timedelta(minutes=20))
    stream.see(WORLD.draw(30, rng(27)))
    evidence = stream.newest.detail["evidence"]
    assert evidence["replicas"] == 2
    assert 6_000 < evidence["value"] < 6_000 + own + 200
    assert not stream.newest.alarm
    stream.windows.put(replica="c", evidence=9_000.0, at=stream.now + MINUTE / 2)
    stream.see(WORLD.draw(30, rng(28)))
    assert stream.newest.alarm


def test_readings_that_were_judged_before_are_not_enough_again():
    high, low = Reading("a", NOW, 200.0), Reading("a", NOW + MINUTE, 1.0)
    assert evidence_of([high, low], 100.0, None).enough == (NOW, NOW)
    assert evidence_of([high, low], 100.0, NOW).enough is None
    assert evidence_of([], 100.0, None).enough is None


def test_replicas_reach_together_what_none_reaches_alone():
    readings = [Reading("a", NOW, 60.0), Reading("b", NOW + MINUTE, 60.0)]
    assert evidence_of(readings, 100.0, NOW).enough == (NOW + MINUTE, NOW + MINUTE)
    assert evidence_of(readings[1:], 100.0, NOW).enough is None


LITTLE, MUCH = Evidence(1.0, 100.0, 1, None), Evidence(150.0, 100.0, 1, (NOW, NOW))


def test_an_alarm_ends_when_nothing_has_moved_in_inputs_that_came_after_the_evidence():
    opened = Episode(NOW - 9 * MINUTE, NOW - 5 * MINUTE)

    def after(was: Episode | None, evidence: Evidence, moved: bool, window_from: datetime):
        return judge(was, evidence, moved, window_from, SHORT, 0.01)

    assert after(None, LITTLE, True, NOW) is None
    assert after(None, MUCH, False, NOW) == Episode(NOW, NOW)
    assert after(opened, MUCH, False, NOW) == Episode(opened.since, NOW)
    assert after(opened, LITTLE, True, NOW) == opened
    assert after(opened, LITTLE, False, opened.renewed - MINUTE) == opened
    assert after(opened, LITTLE, False, opened.renewed) is None


def test_a_window_that_is_usual_by_a_long_history_begins_no_alarm_and_ends_one():
    usual, unusual = AmongPast(99, 99, 0.3), AmongPast(99, 99, 0.01)
    opened = Episode(NOW - MINUTE, NOW - MINUTE)
    assert judge(None, MUCH, True, NOW, usual, 0.01) is None
    assert judge(opened, MUCH, True, NOW, usual, 0.01) is None
    assert judge(None, MUCH, True, NOW, unusual, 0.01) == Episode(NOW, NOW)


def test_an_episode_is_compared_with_what_came_before_it_or_else_with_itself():
    past = past_windows([1.0] * 6)
    opened = Episode(NOW - timedelta(hours=4), NOW)
    assert list(comparable(past, None, 3)) == past
    assert list(comparable(past, opened, 1)) == past[:1]
    assert list(comparable(past, opened, 3)) == past[2:]


def past_windows(distances: list[float]) -> list[PastWindow]:
    windows: list[PastWindow] = []
    for i, distance in enumerate(distances):
        start = NOW - timedelta(hours=len(distances) - i)
        windows.append(PastWindow(start, start + timedelta(hours=1), distance))
    return windows


def test_a_window_farther_than_all_past_ones_has_the_smallest_p_value():
    rank = among_past(9.0, NOW, past_windows([1.0] * 99), level=0.01)
    assert (rank.windows, rank.p_value) == (99, 0.01)
    assert not rank.usual(0.01)


def test_a_window_like_the_past_ones_is_usual():
    rank = among_past(1.0, NOW, past_windows([1.0] * 99), level=0.01)
    assert rank.p_value == 1.0
    assert rank.usual(0.01)


def test_a_short_history_says_so_and_gives_no_p_value():
    rank = among_past(9.0, NOW, past_windows([1.0] * 98), level=0.01)
    assert rank.p_value is None
    assert "98 of 99 past windows" in rank.sentence


def test_windows_that_overlap_this_one_are_no_history():
    past = past_windows([1.0] * 10)
    assert among_past(1.0, NOW - timedelta(minutes=30), past, level=0.05).windows == 9


def test_looks_that_overlap_are_one_block_with_the_largest_distance():
    looks = [
        PastWindow(NOW + i * MINUTE, NOW + (i + 5) * MINUTE, distance)
        for i, distance in enumerate([1.0, 3.0, 2.0, 1.0, 0.5, 0.7])
    ]
    past: list[PastWindow] = []
    for each in looks:
        past = carried(past, each, most=10)
    assert [w.distance for w in past] == [3.0, 0.7]


def test_a_stream_whose_windows_always_jitter_alarms_no_more_often_than_stated():
    """Stationary, autocorrelated: the mean of each stretch differs, evidence is always there, and
    each block of 500 rows is looked at 20 times. 800 blocks at 1 %: 17 lie beyond 3 standard
    errors. All past windows count, so the bar does not sink."""
    draw = rng(5)
    past: list[PastWindow] = []
    alarmed, judged = 0, 0
    opened: Episode | None = None
    jitter = np.abs(draw.normal(size=20 * 1000))
    smooth = np.convolve(jitter, np.ones(20) / 20, mode="valid")
    for i, distance in enumerate(smooth):
        start = NOW + i * MINUTE
        rank = among_past(distance, start, past, level=0.01)
        if rank.p_value is not None:
            judged += 1
            was, opened = opened, judge(opened, MUCH, True, start, rank, 0.01)
            alarmed += was is None and opened is not None
        past = carried(past, PastWindow(start, start + 20 * MINUTE, distance), most=200)
    assert judged > 16_000
    assert alarmed < 17


def test_a_batch_that_differs_as_batches_always_did_begins_no_alarm(reference: Reference):
    """The same through the whole check: brightness of each batch wanders, as it does by hour."""
    check = DriftCheck(minimum_rows=40, most_rows=40, thresholds=Thresholds(level=0.05))
    stream, draw = Stream(reference, check), rng(6)
    begun = 0
    for _ in range(25):
        stream.see(WORLD.draw(40, draw, darker=float(draw.normal(scale=15))))
    for _ in range(60):
        was = stream.newest.alarm
        stream.see(WORLD.draw(40, draw, darker=float(draw.normal(scale=15))))
        begun += stream.newest.alarm and not was
    assert stream.newest.detail["usual"]["p_value"] is not None
    assert begun <= 8
    assert any("which is usual here" in m.sentence for m in stream.drift.kept)


def test_the_attainable_level_is_the_smallest_p_value(reference: Reference):
    level = attainable_level(reference)
    assert level == pytest.approx(1 / 301)
    require_level(reference, 0.01)
    with pytest.raises(Invalid, match="register it with at least"):
        require_level(reference, 0.001)


@pytest.mark.parametrize(
    ("rows", "ending"),
    [
        (120, "30 shaped the scores and 90 calibrate them, so a plan may flag at 0.011 or more; "
        "for 0.01 register with at least 133"),
        (400, "100 shaped the scores and 300 calibrate them, so a plan may flag at 0.0033 or more"),
    ],
)  # fmt: skip
def test_a_registration_says_how_fine_a_level_may_be(rows: int, ending: str):
    files = fitted(rows)
    assert told_level(files) == f"out_of_domain: of {rows} calibration inputs {ending}"
    del files[SCORER_FILE]
    assert "no calibration data" in told_level(files)


def test_a_version_without_scores_keeps_no_level(reference: Reference):
    without = Reference(reference.profile)
    assert attainable_level(without) is None
    with pytest.raises(Invalid, match="without calibration data"):
        require_level(without, 0.05)
