"""When a window of local time opens next, also on the days on which clocks are changed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.plan import Freeze, TimeWindow
from registry.domain.time_windows import during, until_open, until_thawed

DENVER = ZoneInfo("America/Denver")
# Clocks are set forward on the first and back on the second of these days, or the other way round.
CHANGES = [date(2026, 3, 8), date(2026, 11, 1)]
WORK = TimeWindow(frozenset(range(5)), time(9), time(16), "America/Denver")
clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
windows = st.builds(
    TimeWindow,
    st.frozensets(st.integers(0, 6), min_size=1),
    clocks,
    clocks,
    st.sampled_from(["America/Denver", "Australia/Lord_Howe", "UTC"]),
)
moments = st.builds(
    lambda day, minutes: (
        datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=15 * minutes)
    ),
    st.sampled_from([*CHANGES, date(2026, 4, 5), date(2026, 10, 4)]),
    st.integers(-96, 192),
)


def denver(day: int, hour: int, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=DENVER)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (denver(1, 8), "Mon 2026-06-01 09:00 in America/Denver"),
        (denver(1, 9), ""),
        (denver(1, 16), "Tue 2026-06-02 09:00 in America/Denver"),
        (denver(5, 17), "Mon 2026-06-08 09:00 in America/Denver"),
    ],
)
def test_it_says_by_the_clock_on_the_wall_when_the_next_window_opens(now: datetime, opens: str):
    assert until_open([WORK], now) == opens


def test_the_first_of_several_windows_counts_and_none_means_always():
    sunday = TimeWindow(frozenset({6}), time(22), time(2), "Europe/Berlin")
    friday = denver(5, 17)
    assert until_open([WORK, sunday], friday) == "Sun 2026-06-07 22:00 in Europe/Berlin"
    assert until_open([], friday) == ""


def test_an_hour_that_is_leapt_over_opens_where_the_clock_leaps_to():
    sunday = TimeWindow(frozenset({6}), time(2, 15), time(4), "America/Denver")
    assert until_open([sunday], denver(7, 12, month=3)) == "Sun 2026-03-08 03:00 in America/Denver"


@given(windows, moments)
def test_it_opens_at_the_first_moment_that_is_inside(window: TimeWindow, now: datetime):
    quarters = (now + timedelta(minutes=15 * n) for n in range(8 * 24 * 4 + 8))
    first = next(at for at in quarters if during(window, at))
    local = first.astimezone(ZoneInfo(window.timezone))
    said = until_open([window], now)
    assert said == ("" if first == now else f"{local:%a %Y-%m-%d %H:%M} in {window.timezone}")


HOLIDAYS = Freeze(date(2026, 12, 20), date(2027, 1, 3), "America/Denver")


@pytest.mark.parametrize(
    ("now", "thaws"),
    [
        (datetime(2026, 12, 19, 23, 59, tzinfo=DENVER), ""),
        (datetime(2026, 12, 20, tzinfo=DENVER), "Mon 2027-01-04 00:00 in America/Denver"),
        (datetime(2027, 1, 3, 23, 59, tzinfo=DENVER), "Mon 2027-01-04 00:00 in America/Denver"),
        (datetime(2027, 1, 4, tzinfo=DENVER), ""),
        (datetime(2026, 12, 20, 3, tzinfo=UTC), ""),  # still the 19th there
    ],
)
def test_a_freeze_lasts_from_its_first_day_to_its_last_by_its_own_calendar(
    now: datetime, thaws: str
):
    assert until_thawed([HOLIDAYS], now) == thaws


def test_freezes_that_follow_each_other_are_one():
    more = Freeze(date(2027, 1, 4), date(2027, 1, 5), "UTC")
    now = datetime(2026, 12, 25, tzinfo=UTC)
    assert until_thawed([more, HOLIDAYS], now) == "Wed 2027-01-06 00:00 in UTC"
    assert until_thawed([], now) == ""
