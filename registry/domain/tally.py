"""Answers counted by kind: all that a verdict gate needs to know, however many there were.

Counts of whole answers give the same sums in whatever portions the answers came, to the last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from registry.domain.evidence_table import EvidenceTable, Rival, Standing


class Kind(NamedTuple):
    """What makes answers alike for a gate: their standing, their pair, their chance, their step."""

    standing: int
    rival: int
    chance: float
    step: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What the answers of one segment say.

    counts: answers before the frontier, the first whose verdict is pending. pending: verdicts that
    are still to come. waiting: verdicts behind the frontier, which do not count yet. behind: all
    answers behind it. least: the smallest chance of review of any answer, 1 if there is none.
    """

    counts: Mapping[Kind, int] = field(default_factory=dict)
    pending: int = 0
    waiting: int = 0
    behind: int = 0
    least: float = 1.0

    @property
    def answers(self) -> int:
        """How many answers count."""
        return sum(self.counts.values())

    def __len__(self) -> int:
        return self.answers + self.behind

    def items(self) -> tuple[tuple[Kind, int], ...]:
        """The kinds with their counts, in an order that does not depend on how they came."""
        return tuple(sorted(self.counts.items()))


def tallies(
    table: EvidenceTable, standings: npt.NDArray[np.int8], cells: npt.NDArray[np.intp], count: int
) -> tuple[Tally, ...]:
    """The tallies of `count` segments, each with a frontier of its own; cells: (n,) their codes."""
    n = len(table)
    positions = np.arange(n)
    pending = standings == Standing.PENDING
    ends = np.full(count, n)
    np.minimum.at(ends, cells[pending], positions[pending])
    before = positions < ends[cells]
    kinds, codes = _kinds(table, standings)
    each = np.bincount(cells[before] * len(kinds) + codes[before], minlength=count * len(kinds))
    by_cell = each.reshape(count, len(kinds))
    least = np.ones(count)
    np.minimum.at(least, cells, table.chances)
    waiting = ~before & ~pending & (standings != Standing.NOT_SAMPLED)
    rest = (np.bincount(cells[which], minlength=count) for which in (pending, waiting, ~before))
    columns = np.stack(tuple(rest)).tolist()
    return tuple(
        Tally(
            counts={kinds[k]: int(by_cell[cell, k]) for k in np.flatnonzero(by_cell[cell])},
            pending=columns[0][cell],
            waiting=columns[1][cell],
            behind=columns[2][cell],
            least=float(least[cell]),
        )
        for cell in range(count)
    )


def together(first: Tally, then: Tally) -> Tally:
    """Both, where nothing of the first is pending."""
    counts = dict(first.counts)
    for kind, count in then.counts.items():
        counts[kind] = counts.get(kind, 0) + count
    least = min(first.least, then.least)
    return Tally(counts, then.pending, then.waiting, then.behind, least)


def _kinds(
    table: EvidenceTable, standings: npt.NDArray[np.int8]
) -> tuple[list[Kind], npt.NDArray[np.intp]]:
    """The kinds that occur, and which of them each row is."""
    if not len(table):
        return [], np.empty(0, np.intp)
    chances, chance_codes = np.unique(table.chances, return_inverse=True)
    steps, step_codes = np.unique(table.steps, return_inverse=True)
    width = len(chances) * len(steps)
    marks = standings.astype(np.intp) * len(Rival) + table.rivals
    present, codes = np.unique(
        marks * width + chance_codes * len(steps) + step_codes, return_inverse=True
    )
    kinds = [
        Kind(
            int(mark) // len(Rival),
            int(mark) % len(Rival),
            float(chances[rest // len(steps)]),
            int(steps[rest % len(steps)]),
        )
        for mark, rest in zip(*divmod(present, width), strict=True)
    ]
    return kinds, codes
