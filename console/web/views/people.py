"""How reviewers do, as their page shows it: everybody for a lead, else oneself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.web.views.formatting import NONE, duration, mapping, number, sequence
from console.web.views.quality import Range, share_range


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One reviewer."""

    name: str
    decisions: str
    per_hour: str
    holds: str
    seconds: str
    overturned: Range
    agreed: Range
    kappa: str
    gold: Range | None


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Everything the page shows; gold items are for leads only."""

    people: tuple[PersonRow, ...]
    gold: bool


def people_page(document: Mapping[str, Any], *, lead: bool) -> PeoplePage:
    """The page of a people document."""
    rows = (mapping(each) for each in sequence(document.get("people")))
    return PeoplePage(tuple(_row(each, lead) for each in rows), lead)


def _row(each: Mapping[str, Any], lead: bool) -> PersonRow:
    seconds, kappa = each.get("median_seconds"), mapping(each.get("kappa"))
    return PersonRow(
        name=str(each["name"]),
        decisions=number(each.get("decisions") or 0),
        per_hour=number(each.get("decisions_per_hour") or 0),
        holds=number(each.get("holds") or 0),
        seconds=NONE if seconds is None else duration(seconds),
        overturned=share_range(each.get("overturned")),
        agreed=share_range(each.get("agreed")),
        kappa=f"{kappa['value']:.2f}" if kappa else NONE,
        gold=share_range(each.get("gold")) if lead else None,
    )
