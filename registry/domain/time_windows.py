"""Windows of local time and freezes: whether it is one now, and when the next one opens."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from registry.domain.plan import Freeze, TimeWindow

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
    return _spoken(at, window.timezone)


def until_thawed(freezes: Sequence[Freeze], now: datetime) -> str:
    """When the last of the freezes ends that one runs into from now, for people; empty outside.

    A day begins and ends as the calendar of the freeze's zone says.
    """
    at, zone = now, ""
    while ends := [(_ends(one), one.timezone) for one in freezes if _frozen(one, at)]:
        at, zone = max(ends)
    return _spoken(at, zone) if zone else ""


def _frozen(freeze: Freeze, at: datetime) -> bool:
    return freeze.first <= at.astimezone(ZoneInfo(freeze.timezone)).date() <= freeze.last


def _ends(freeze: Freeze) -> datetime:
    """The first moment after it; clocks may be set forward at midnight, so that it is later."""
    midnight = datetime.combine(freeze.last + timedelta(days=1), time(), ZoneInfo(freeze.timezone))
    return midnight.astimezone(UTC)


def _spoken(at: datetime, timezone: str) -> str:
    local = at.astimezone(ZoneInfo(timezone))
    return f"{_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} in {timezone}"


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
