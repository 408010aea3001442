"""How often a version is right, and how far its reviewers agree, as pages show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.formatting import (
    NONE,
    Chip,
    Moment,
    mapping,
    moment,
    number,
    percent,
    sequence,
    stage_chip,
    version,
)


@dataclass(frozen=True, slots=True)
class Range:
    """A share with its interval, in words and as places between 0 and 100."""

    text: str
    between: str
    low: str = "0"
    width: str = "0"
    middle: str = "0"


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One version in one stage, or one queue."""

    name: str
    stage: Chip | None
    sentence: str
    best_guess: Range
    naive: Range
    weighted: Range
    corrected: Range
    bounds: str
    judged: str
    waiting: str
    lost: str
    kappa: str
    alpha: str
    agreed: str


@dataclass(frozen=True, slots=True)
class Bias:
    """What seeing the model's answer does to reviewers; a sentence if it is measured."""

    sentence: str
    fallen_back: Moment | None


def bias(document: Mapping[str, Any], now: datetime) -> Bias:
    """What a quality document says of it."""
    found = mapping(document.get("bias"))
    said = str(found.get("sentence") or "")
    since = moment(found.get("fallen_back_at"), now)
    return Bias(f"{said[:1].upper()}{said[1:]}." if said else "", since)


def quality_rows(
    document: Mapping[str, Any], versions: Sequence[int] = ()
) -> tuple[QualityRow, ...]:
    """The versions of a quality document, or those of them that are asked for."""
    found = (mapping(each) for each in sequence(document.get("versions")))
    return tuple(
        _row(each, version(each.get("version")), stage_chip(each.get("stage")))
        for each in found
        if not versions or each.get("version") in versions
    )


def share_range(estimate: object) -> Range:
    """A share of the API; a dash if nothing is known of it."""
    found = mapping(estimate)
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return Range(NONE, "")
    return Range(
        _percent(value),
        f"{_percent(low)} to {_percent(high)}",
        f"{100 * low:.2f}",
        f"{max(0.6, 100 * (high - low)):.2f}",
        f"{100 * value:.2f}",
    )


def _row(each: Mapping[str, Any], name: str, stage: Chip | None) -> QualityRow:
    accuracy, agreement = mapping(each.get("accuracy")), mapping(each.get("agreement"))
    worst, best = accuracy.get("worst"), accuracy.get("best")
    weighted, corrected = share_range(accuracy.get("weighted")), accuracy.get("corrected")
    items, kappa = agreement.get("items") or 0, mapping(agreement.get("kappa"))
    alpha = agreement.get("alpha")
    return QualityRow(
        name=name,
        stage=stage,
        sentence=str(accuracy.get("sentence") or ""),
        best_guess=share_range(corrected) if corrected else weighted,
        naive=share_range(accuracy.get("naive")),
        weighted=weighted,
        corrected=share_range(corrected),
        bounds=NONE if worst is None or best is None else f"{_percent(worst)} to {_percent(best)}",
        judged=number(accuracy.get("judged") or 0),
        waiting=number(accuracy.get("waiting") or 0),
        lost=number(accuracy.get("lost") or 0),
        kappa=_coefficient(kappa) if kappa else NONE,
        alpha=NONE if alpha is None else f"{alpha:.2f}",
        agreed=f"{number(agreement.get('same') or 0)} of {number(items)}" if items else NONE,
    )


def _percent(share: float) -> str:
    """With a digit behind the point, so that intervals can be told apart."""
    return "100 %" if share >= 1 else f"{100 * share:.1f} %" if share > 0 else percent(0)


def _coefficient(found: Mapping[str, Any]) -> str:
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
