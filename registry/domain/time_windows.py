"""Windows of local time: whether it is one now, and when the next one opens."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from registry.domain.plan import TimeWindow

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def during(window: TimeWindow, now: datetime) -> bool:
    """Whether the wall clock in the window's zone is inside; the end is not.

    A window that runs past midnight belongs to the day on which it starts. Where clocks are set
    back the repeated hour counts both times, where they are set forward the missing one never.
    """
    local = now.astimezone(ZoneInfo(window.timezone))
    clock, today = local.time(), local.weekday()
    if window.start < window.end:
        return today in window.days and window.start <= clock < window.end
    yesterday = (local.date() - timedelta(days=1)).weekday()
    return (today in window.days and clock >= window.start) or (
        yesterday in window.days and clock < window.end
    )


def until_open(windows: Sequence[TimeWindow], now: datetime) -> str:
    """When the next of these windows opens, for people; empty while one is open, or without any."""
    if not windows or any(during(window, now) for window in windows):
        return ""
    at, window = min(((_opens(one, now), one) for one in windows), key=lambda found: found[0])
    local = at.astimezone(ZoneInfo(window.timezone))
    return f"{_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} in {window.timezone}"


def _opens(window: TimeWindow, now: datetime) -> datetime:
    """The first moment after now at which the window is open; there is one within nine days."""
    return next(at for at in _starts(window, now) if at > now and during(window, at))


def _starts(window: TimeWindow, now: datetime) -> Iterator[datetime]:
    """Its beginnings from yesterday on.

    Where clocks are changed that hour comes twice, or never: then all minutes between.
    """
    zone = ZoneInfo(window.timezone)
    day = now.astimezone(zone).date() - timedelta(days=1)
    while True:
        wall = datetime.combine(day, window.start, zone)
        first, last = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        for minutes in range((last - first) // timedelta(minutes=1) + 1):
            yield first + timedelta(minutes=minutes)
        day += timedelta(days=1)
