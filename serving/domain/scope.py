"""Which requests a limited scope admits."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from registry.domain.plan import Area, Scope, TimeWindow


def outside(scope: Scope, attributes: Mapping[str, object], now: datetime) -> str | None:
    """Why the scope does not admit a request, as a sentence; None if it does.

    The daily quota is not looked at here: it has to be counted.
    """
    return next(_objections(scope, attributes, now), None)


def local_day(scope: Scope, now: datetime) -> date:
    """The day that quotas and `until` count by: in the scope's first time zone, else in UTC."""
    zone: tzinfo = ZoneInfo(scope.when[0].timezone) if scope.when else UTC
    return now.astimezone(zone).date()


def _objections(scope: Scope, attributes: Mapping[str, object], now: datetime) -> Iterator[str]:
    for name, patterns in scope.where.items():
        if objection := _where(name, patterns, attributes):
            yield objection
    if scope.area and (objection := _area(scope.area, attributes)):
        yield objection
    if scope.when and not any(_during(window, now) for window in scope.when):
        yield f"{now.isoformat(timespec='minutes')} is in none of the scope's time windows"
    if scope.until and local_day(scope, now) > scope.until:
        yield f"the scope ended after {scope.until}"


def _where(name: str, patterns: tuple[str, ...], attributes: Mapping[str, object]) -> str | None:
    if name not in attributes:
        return f"the request has no attribute {name}"
    value = str(attributes[name])
    if any(fnmatchcase(value, pattern) for pattern in patterns):
        return None
    return f"{name} {value!r} is none of {', '.join(patterns)}"


def _area(area: Area, attributes: Mapping[str, object]) -> str | None:
    for name, (low, high) in (("latitude", area.latitude), ("longitude", area.longitude)):
        value = _degrees(attributes.get(name))
        if value is None:
            return f"the request has no {name} in degrees"
        if not low <= value <= high:
            return f"{name} {value:g} is not between {low:g} and {high:g}"
    return None


def _degrees(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _during(window: TimeWindow, now: datetime) -> bool:
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
