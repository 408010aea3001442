"""Time windows follow the wall clock, also on the days on which it is changed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.plan import Area, Scope, TimeWindow
from registry.domain.region import Region
from serving.domain.scope import admitting, local_day, outside

ZONES = ["America/Denver", "Europe/Berlin"]
# Forward and back, in both zones, in 2026.
CHANGES = [date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25)]
EVERY_DAY = frozenset(range(7))

clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
moments = st.builds(
    lambda day, minutes: (
        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    st.sampled_from(CHANGES),
    st.integers(-2 * 1_440, 3 * 1_440),
)
windows = st.builds(
    TimeWindow, st.frozensets(st.integers(0, 6), min_size=1), clocks, clocks, st.sampled_from(ZONES)
)


def inside(window: TimeWindow, moment: datetime) -> bool:
    return outside(Scope(when=(window,)), {}, moment) is None


@given(window=windows, moment=moments)
def test_a_window_is_what_a_clock_on_the_wall_says_of_the_day_it_began(
    window: TimeWindow, moment: datetime
):
    wall = moment.astimezone(ZoneInfo(window.timezone)).replace(tzinfo=None)
    days = [wall.date() - timedelta(days=back) for back in (0, 1)]
    expected = False
    for day in days:
        begins = datetime.combine(day, window.start)
        ends = datetime.combine(day, window.end)
        ends += timedelta(days=1) if window.end <= window.start else timedelta()
        expected |= day.weekday() in window.days and begins <= wall < ends
    assert inside(window, moment) is expected


@pytest.mark.parametrize("zone", ZONES)
@given(day=st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_a_whole_day_lasts_as_long_as_the_day_does(zone: str, day: date):
    """23 hours in spring and 25 in autumn: a window of 24 hours holds all of it and no more."""
    window = TimeWindow(frozenset({day.weekday()}), time(0), time(0), zone)
    midnight = datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)
    following = datetime.combine(day + timedelta(days=1), time(0), ZoneInfo(zone)).astimezone(UTC)
    hours = (following - midnight) / timedelta(hours=1)
    assert hours in {23, 24, 25}
    assert inside(window, midnight)
    assert inside(window, following - timedelta(microseconds=1))
    assert not inside(window, midnight - timedelta(microseconds=1))
    assert not inside(window, following)


@pytest.mark.parametrize(
    ("zone", "day", "quarters"),
    [
        ("America/Denver", date(2026, 3, 8), 8),  # 01:00 to 04:00 without the hour from 02:00
        ("America/Denver", date(2026, 11, 1), 16),  # with the hour from 01:00 twice
        ("Europe/Berlin", date(2026, 3, 29), 8),
        ("Europe/Berlin", date(2026, 10, 25), 16),
        ("Europe/Berlin", date(2026, 6, 1), 12),
    ],
)
def test_a_window_over_the_change_is_an_hour_shorter_or_longer(zone: str, day: date, quarters: int):
    window = TimeWindow(EVERY_DAY, time(1), time(4), zone)
    midnight = datetime.combine(day, time(0), ZoneInfo(zone)).astimezone(UTC)
    steps = [midnight + timedelta(minutes=15 * n) for n in range(4 * 20)]
    assert sum(inside(window, step) for step in steps) == quarters


@given(moment=moments, zone=st.sampled_from(ZONES))
def test_the_day_of_quotas_is_the_day_on_the_wall(moment: datetime, zone: str):
    window = TimeWindow(EVERY_DAY, time(0), time(0), zone)
    assert local_day(Scope(when=(window,)), moment) == moment.astimezone(ZoneInfo(zone)).date()


def test_the_reason_names_each_rule_that_admitted():
    window = TimeWindow(EVERY_DAY, time(8), time(18), "Europe/Berlin")
    triangle = Region(((((0, 0), (2, 0), (0, 2), (0, 0)),),))
    noon = datetime(2026, 6, 1, 10, tzinfo=UTC)
    scope = Scope({"site": ("a", "north-*")}, triangle, (window,), date(2027, 1, 1))
    request = {"site": "north-1", "latitude": 0.5, "longitude": 0.5}
    assert outside(scope, request, noon) is None
    assert admitting(scope, request, noon) == (
        "site 'north-1' matches north-*, its place is within 1 polygon with 3 corners, "
        "it is 08:00 to 18:00 in Europe/Berlin, it is not after 2027-01-01"
    )
    assert admitting(Scope(), {}, noon) == "it admits every request"


@pytest.mark.parametrize(
    ("longitude", "objection"),
    [(179, None), (-179, None), (180, None), (-180, None), (0, "from 177 across 180 to -178")],
)
def test_a_box_across_the_antimeridian(longitude: float, objection: str | None):
    scope = Scope(area=Area((-20, -15), (177, -178)))
    found = outside(scope, {"latitude": -17, "longitude": longitude}, datetime.now(UTC))
    assert found is None if objection is None else objection in str(found)


def test_outside_the_polygons_the_reason_says_where():
    scope = Scope(area=Region(((((0, 0), (2, 0), (0, 2), (0, 0)),),)))
    found = outside(scope, {"latitude": 3, "longitude": "1"}, datetime.now(UTC))
    assert found == "latitude 3, longitude 1 is outside the area's 1 polygon with 3 corners"
