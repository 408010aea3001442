"""A gate as pages show it: its verdict, its sentence, how far it is, and how it came there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.web.views.evidence_chart import Chart
from console.web.views.formatting import NONE, Chip, mapping, number, words

VERDICTS = {
    "passed": Chip("✓ passed", "good"),
    "failed": Chip("✗ failed", "bad"),
    "inconclusive": Chip("… inconclusive", "warn"),
    "stale": Chip("↻ stale", "warn"),
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate; the bar is full where the evidence reaches its threshold."""

    name: str
    segment: str
    verdict: Chip
    sentence: str
    dry_run: bool
    pauses: bool
    bar_width: str | None
    bar_text: str
    needs: str
    numbers: tuple[tuple[str, str], ...]
    chart: Chart | None = None


def gate(document: Mapping[str, Any], chart: Chart | None = None) -> Gate:
    """One gate of a rollout document."""
    numbers = mapping(document.get("numbers"))
    side = "harm" if document.get("verdict") == "failed" else "pass"
    share, text = _towards_threshold(numbers, side)
    return Gate(
        name=words(document.get("type")),
        segment=str(document.get("segment") or ""),
        verdict=verdict(document.get("verdict")),
        sentence=str(document.get("sentence") or ""),
        dry_run=bool(document.get("dry_run")),
        pauses=document.get("then") == "pause",
        bar_width=None if share is None else f"{100 * share:.1f}",
        bar_text=text,
        needs=_needs(document, numbers),
        numbers=tuple(
            (words(name), number(value))
            for name, value in numbers.items()
            if not isinstance(value, Mapping | list)
        ),
        chart=chart,
    )


def verdict(value: object) -> Chip:
    """A gate's verdict with a sign, so that colour is not all that tells."""
    return VERDICTS.get(str(value), Chip(str(value or NONE)))


def _towards_threshold(numbers: Mapping[str, Any], side: str) -> tuple[float | None, str]:
    """How far the evidence is; e-values multiply, so the bar is measured in logarithms."""
    log_e, log_needed = numbers.get(f"log_e_{side}"), numbers.get(f"log_e_{side}_needed")
    if not isinstance(log_e, int | float) or not isinstance(log_needed, int | float):
        return None, ""
    share = min(1.0, max(0.0, log_e / log_needed)) if log_needed > 0 else 1.0
    what = "of harm" if side == "harm" else "for promotion"
    return (
        share,
        f"evidence {what}: {_e_value(log_e)}, needs {_e_value(log_needed)} (e-value, begins at 1)",
    )


def _needs(document: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    more = numbers.get("more")
    if document.get("verdict") != "inconclusive" or not isinstance(more, int) or not more:
        return ""
    return f"about {number(more)} more"


def _e_value(logarithm: float) -> str:
    return f"10^{logarithm / math.log(10):.0f}" if logarithm > 14 else number(math.exp(logarithm))
