"""Alerts as pages show them: what is wrong now, and where to look."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import Moment, mapping, moment, sequence, version


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong now."""

    title: str
    sentence: str
    since: Moment | None
    url: str


def drift_alert(document: Mapping[str, Any], now: datetime) -> Alert | None:
    """The alert of a drift document whose newest measurement alarms.

    Consecutive alarms are one alert; it dates from the first of them.
    """
    history = [mapping(each) for each in sequence(document.get("history"))]
    if not history or not history[0].get("alarm"):
        return None
    first = history[0]
    for measurement in history:
        if not measurement.get("alarm"):
            break
        first = measurement
    model = str(document["model"])
    return Alert(
        title=f"Drift of {model} {version(document.get('version'))}",
        sentence=str(history[0].get("sentence") or ""),
        since=moment(first.get("at"), now),
        url=f"/drift/{quote(model, safe='')}",
    )
