"""The card of one version: its record, how it did on held-out data, what it was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.density import Density, density
from console.web.views.formatting import NONE, mapping, number, percent, sequence
from console.web.views.model import Version, version_view

MOST_PLOTS = 24
MOST_LABELS = 20  # a larger matrix is read by nobody: then the most frequent confusions are listed


@dataclass(frozen=True, slots=True)
class LabelRow:
    """How the version did on one label."""

    label: str
    rows: str
    found: str
    right: str
    foreign: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One count of the matrix; shade: 0 for none, up to 5 for the whole row."""

    count: str
    shade: int
    hit: bool


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often one label was taken for another."""

    true: str
    predicted: str
    count: str
    share: str


@dataclass(frozen=True, slots=True)
class CardPage:
    """Everything the card shows."""

    name: str
    version: Version
    trained_on: str
    held_out: str
    labels: tuple[LabelRow, ...]
    matrix: tuple[tuple[str, tuple[Cell, ...]], ...]
    columns: tuple[str, ...]
    confusions: tuple[Confusion, ...]
    plots: tuple[Density, ...]
    plots_left_out: int


def card_page(document: Mapping[str, Any], now: datetime) -> CardPage:
    """The card of a version document."""
    reference = mapping(document.get("reference"))
    labels = [str(label) for label in sequence(reference.get("labels"))]
    confusion = [[int(n) for n in row] for row in sequence(reference.get("confusion"))]
    features = sequence(reference.get("features"))
    small = len(labels) <= MOST_LABELS
    return CardPage(
        name=f"{document['model']}@{document['version']}",
        version=version_view(document, now),
        trained_on=_trained_on(reference),
        held_out=_held_out(confusion),
        labels=_label_rows(labels, confusion, mapping(reference.get("left_out_power"))),
        matrix=tuple(zip(labels, map(_cells, range(len(labels)), confusion), strict=False))
        if small
        else (),
        columns=tuple(labels) if small else (),
        confusions=_confusions(labels, confusion),
        plots=tuple(density(each) for each in features[:MOST_PLOTS]),
        plots_left_out=max(0, len(features) - MOST_PLOTS),
    )


def _trained_on(reference: Mapping[str, Any]) -> str:
    if not reference:
        return "It was registered without training data: nothing is known of its inputs."
    return f"{number(reference.get('rows'))} training inputs were counted."


def _held_out(confusion: Sequence[Sequence[int]]) -> str:
    total = sum(map(sum, confusion))
    if not total:
        return ""
    right = sum(row[i] for i, row in enumerate(confusion))
    return (
        f"{number(right)} of {number(total)} held-out inputs were answered right "
        f"({percent(right / total)})."
    )


def _label_rows(
    labels: Sequence[str], confusion: Sequence[Sequence[int]], power: Mapping[str, Any]
) -> tuple[LabelRow, ...]:
    columns = [sum(column) for column in zip(*confusion, strict=True)]
    return tuple(
        LabelRow(
            label,
            number(sum(row)),
            _share(row[i], sum(row)),
            _share(row[i], columns[i]),
            percent(power[label]) if label in power else NONE,
        )
        for i, (label, row) in enumerate(zip(labels, confusion, strict=False))
    )


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else NONE


def _cells(place: int, row: Sequence[int]) -> tuple[Cell, ...]:
    whole = sum(row)
    return tuple(
        Cell(number(count), -(-5 * count // whole) if whole else 0, place == column)
        for column, count in enumerate(row)
    )


def _confusions(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> tuple[Confusion, ...]:
    """The most frequent confusions, the most frequent first."""
    found = [
        (count, i, j)
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return tuple(
        Confusion(labels[i], labels[j], number(count), percent(count / sum(confusion[i])))
        for count, i, j in sorted(found, key=lambda one: (-one[0], one[1:]))[:MOST_LABELS]
    )
