"""How values are written for people: times, durations, shares and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

NONE = "—"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as people read it, with the exact one beside it for machines and tooltips."""

    text: str
    exact: str
    iso: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A short state; the tone only repeats in colour what the text says."""

    text: str
    tone: str = "plain"  # plain, good, warn, bad, busy


def moment(value: object, now: datetime) -> Moment | None:
    """An ISO time relative to now; None if there is none or it is no time."""
    parsed = parse_time(value)
    if parsed is None:
        return None
    seconds = (now - parsed).total_seconds()
    text = f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
    return Moment(text, parsed.strftime("%Y-%m-%d %H:%M:%S UTC"), parsed.isoformat())


def parse_time(value: object) -> datetime | None:
    """An aware time from ISO text; a time without a zone is UTC."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def duration(seconds: float) -> str:
    """A length of time in its largest fitting unit: `45 s`, `12 min`, `3 h 20 min`, `5 days`.

    Rounded to it, so that what began with 30 days has 30 days seconds later.
    """
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(seconds / 86400)} days"


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a watch."""
    seconds = max(0, int(seconds))
    return f"{seconds // 60}:{seconds % 60:02}"


def percent(share: object) -> str:
    """A share as percent, with as many digits as it needs to be told from 0 and from 100."""
    if not isinstance(share, int | float):
        return NONE
    value = 100 * share
    if value != 0 and abs(value) < 0.1:
        return f"{value:.2g} %"
    return f"{value:.0f} %" if value >= 10 or value == round(value) else f"{value:.1f} %"


def number(value: object) -> str:
    """A number in at most three significant digits; whole numbers in full."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"
    return NONE if value is None else str(value)


def words(value: object) -> str:
    """A code such as `limited_scope` in words."""
    return str(value or "").replace("_", " ").replace("-", " ")


def version(value: object) -> str:
    """A version as people write it, v12."""
    return NONE if value is None else f"v{value}"


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


_STAGE_TONES = {
    "live": "good",
    "manual-review": "busy",
    "limited-scope": "busy",
    "gradual": "busy",
    "rolled-back": "bad",
    "rejected": "bad",
    "expired": "warn",
}


def stage_chip(stage: object) -> Chip:
    """A stage, coloured by how far it is trusted."""
    return Chip(str(stage or NONE), _STAGE_TONES.get(str(stage), "plain"))
