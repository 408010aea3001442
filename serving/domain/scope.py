"""Which requests a limited scope admits."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from registry.domain.plan import Area, Scope
from registry.domain.region import Region
from registry.domain.time_windows import during

_MOST_DEGREES = 360.0


def outside(scope: Scope, attributes: Mapping[str, object], now: datetime) -> str | None:
    """Why the scope does not admit a request, as a sentence; None if it does.

    The daily quota is not looked at here: it has to be counted.
    """
    return next(_objections(scope, attributes, now), None)


def admitting(scope: Scope, attributes: Mapping[str, object], now: datetime) -> str:
    """Which rules admit a request that none keeps out, in words."""
    rules = [
        f"{name} {value!r} matches {next(p for p in patterns if fnmatchcase(value, p))}"
        for name, patterns in scope.where.items()
        if (value := str(attributes[name]))
    ]
    if scope.area:
        rules.append(f"its place is within {scope.area}")
    if scope.when:
        window = next(window for window in scope.when if during(window, now))
        rules.append(f"it is {window.start:%H:%M} to {window.end:%H:%M} in {window.timezone}")
    if scope.until:
        rules.append(f"it is not after {scope.until}")
    return ", ".join(rules) or "it admits every request"


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
    if scope.when and not any(during(window, now) for window in scope.when):
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


def _area(area: Area | Region, attributes: Mapping[str, object]) -> str | None:
    latitude, longitude = (_degrees(attributes.get(name)) for name in ("latitude", "longitude"))
    if latitude is None or longitude is None:
        return f"the request has no {'latitude' if latitude is None else 'longitude'} in degrees"
    if isinstance(area, Region):
        if area.contains(longitude, latitude):
            return None
        place = f"latitude {latitude:g}, longitude {longitude:g}"
        return f"{place} is outside the area's {area}"
    (south, north), (west, east) = area.latitude, area.longitude
    if not south <= latitude <= north:
        return f"latitude {latitude:g} is not between {south:g} and {north:g}"
    if west <= east and not west <= longitude <= east:
        return f"longitude {longitude:g} is not between {west:g} and {east:g}"
    if west > east and not (west <= longitude <= 180 or -180 <= longitude <= east):
        return f"longitude {longitude:g} is not from {west:g} across 180 to {east:g}"
    return None


def _degrees(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        degrees = float(value)
    except (ValueError, OverflowError):
        return None
    return degrees if abs(degrees) <= _MOST_DEGREES else None
