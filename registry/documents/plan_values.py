"""The small notations of a plan file: durations, rates per day, days, hours, time zones."""

import re
from datetime import date, datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_LONGEST_DAYS = 3_650
LARGEST_INTEGER = 2**31 - 1  # what the database keeps in an integer
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


def wrong(message: str, *at: str | int) -> PydanticCustomError:
    """A problem in the words of the plan file; `at` leads from the field to the culprit."""
    return PydanticCustomError("plan", "{message}", {"message": message, "at": at})


def seconds(value: Any) -> float:
    """A duration as written in plans ("7d", "24h", "10m", "0.5s"), in seconds."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"{value!r} is no duration; write a number and s, m, h, d or w, such as `24h`")
    duration = float(match[1]) * _UNITS[match[2]]
    if duration > _LONGEST_DAYS * _UNITS["d"]:
        raise wrong(f"{_short(value)} is longer than ten years; write at most `{_LONGEST_DAYS}d`")
    return duration


def some_seconds(value: Any) -> float:
    """A duration that is not nothing."""
    duration = seconds(value)
    if duration == 0:
        raise wrong(f"{value!r} is no time at all; write for example `24h`")
    return duration


def per_day(value: Any) -> int:
    """A daily limit as written in plans: "500/day"."""
    match = re.fullmatch(r"([1-9]\d*)\s*/\s*day", value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"{value!r} is no daily limit; write for example `500/day`")
    if len(match[1]) > 10 or int(match[1]) > LARGEST_INTEGER:
        raise wrong(f"{_short(value)} is no limit at all; leave `at_most` out")
    return int(match[1])


def weekday(value: Any) -> int:
    """A day of the week by its first two letters; 0 is Monday."""
    if value not in _DAYS:
        raise wrong(f"{value!r} is no day; write one of {', '.join(_DAYS)}")
    return _DAYS.index(value)


def clock(value: Any) -> time:
    """A time of day, "08:00"; "24:00" is midnight, the end of the day."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[1] == "24" and match[2] != "00"):
        raise wrong(f'{value!r} is no time of day; write hours and minutes, such as "08:00"')
    return time(int(match[1]) % 24, int(match[2]))


def zone(value: Any) -> str:
    """The name of a time zone that exists."""
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, TypeError, OSError):
        raise wrong(
            f"there is no time zone {value!r}; write a name such as `America/Denver`"
        ) from None


def day(value: Any) -> date:
    """A calendar day."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise wrong(f"{value!r} is no day; write year, month and day, such as `2027-01-31`")


def text(value: Any) -> str:
    """A text; a number is taken as it is written."""
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise wrong(f"{value!r} is no text; put it in quotes")


def _short(value: str) -> str:
    return value if len(value) <= 40 else value[:37] + "..."


def _written(kind: str, pattern: str, example: str) -> WithJsonSchema:
    """What an editor is told of a notation, which is read from a text."""
    return WithJsonSchema({"type": kind, "pattern": pattern, "examples": [example]})


_AS_DURATION = _written("string", rf"^\s*{_DURATION.pattern}\s*$", "24h")

Duration = Annotated[float, BeforeValidator(seconds), _AS_DURATION]
SomeTime = Annotated[float, BeforeValidator(some_seconds), _AS_DURATION]
PerDay = Annotated[
    int, BeforeValidator(per_day), _written("string", r"^[1-9]\d*\s*/\s*day$", "500/day")
]
Weekday = Annotated[
    int, BeforeValidator(weekday), WithJsonSchema({"type": "string", "enum": list(_DAYS)})
]
Clock = Annotated[time, BeforeValidator(clock), _written("string", rf"^{_CLOCK.pattern}$", "08:00")]
Zone = Annotated[
    str, BeforeValidator(zone), WithJsonSchema({"type": "string", "examples": ["America/Denver"]})
]
Day = Annotated[date, BeforeValidator(day), WithJsonSchema({"type": "string", "format": "date"})]
Text = Annotated[str, BeforeValidator(text), WithJsonSchema({"type": ["string", "integer"]})]
Share = Annotated[float, Field(ge=0, le=1)]
