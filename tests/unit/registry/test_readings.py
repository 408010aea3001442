"""What is kept of the gates over time: enough for a chart, and never much."""

from datetime import UTC, datetime, timedelta

from registry.domain.gates import Inconclusive, Judged, Passed
from registry.domain.readings import (
    MOST_POINTS,
    MOST_SERIES,
    Reading,
    differs,
    extended,
    read,
)
from registry.domain.segments import Segment

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def a_gate(log_e: float, needed: float = 3.0, segment: Segment | None = None) -> Judged:
    numbers = {"log_e_pass": log_e, "log_e_pass_needed": needed}
    return Judged("error-rate", Inconclusive("x", numbers), segment)


def test_a_reading_is_a_part_of_what_is_needed():
    (series,) = read([a_gate(1.5)], NOW)
    assert series.readings == (Reading(NOW, "inconclusive", 0.5, None),)
    (drift,) = read([Judged("drift", Passed("x", {"rows": 3}))], NOW)
    assert drift.readings == (Reading(NOW, "passed"),)


def test_gates_that_are_alike_keep_apart():
    gates = [a_gate(1.0), a_gate(2.0), a_gate(1.0, segment=Segment("site", "a"))]
    assert [one.key for one in read(gates, NOW)] == [
        ("error-rate", None, 0),
        ("error-rate", None, 1),
        ("error-rate", "site=a", 0),
    ]


def test_only_what_can_be_seen_on_a_chart_is_new():
    last = Reading(NOW, "inconclusive", 0.5, -0.2)
    assert not differs(Reading(NOW, "inconclusive", 0.505, -0.2), last)
    assert differs(Reading(NOW, "inconclusive", 0.51, -0.2), last)
    assert differs(Reading(NOW, "inconclusive", 0.5, -0.3), last)
    assert differs(Reading(NOW, "passed", 0.5, -0.2), last)
    assert differs(last, None)


def test_a_series_never_grows_beyond_its_bound_and_keeps_its_ends():
    readings: tuple[Reading, ...] = ()
    for second in range(5 * MOST_POINTS):
        readings = extended(readings, Reading(NOW + timedelta(seconds=second), "stale"))
        assert len(readings) <= MOST_POINTS
    assert readings[0].at == NOW
    assert readings[-1].at == NOW + timedelta(seconds=5 * MOST_POINTS - 1)
    assert list(readings) == sorted(readings, key=lambda reading: reading.at)


def test_there_is_a_most_of_series():
    gates = [a_gate(1.0, segment=Segment("site", str(n))) for n in range(3 * MOST_SERIES)]
    assert len(read(gates, NOW)) == MOST_SERIES
