"""Answers counted by kind: all that a verdict gate needs to know, however many there were.

Counts of whole answers give the same sums in whatever portions the answers came, to the last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from registry.domain.evidence_table import EvidenceTable, Other, Rival, Standing


class Kind(NamedTuple):
    """What makes answers alike for a gate: their standing, pair, chance, step, second opinion."""

    standing: int
    rival: int
    chance: float
    step: int
    other: int = Other.NONE


@dataclass(frozen=True, slots=True)
class Tally:
    """What the answers of one segment say.

    counts: answers before the frontier, the first whose verdict is pending. pending: verdicts that
    are still to come. waiting: verdicts behind the frontier, which do not count yet. behind: all
    answers behind it. least: the smallest chance of review of any answer, 1 if there is none.
    again: reviewed ones that do not count, since their visit was counted.
    """

    counts: Mapping[Kind, int] = field(default_factory=dict)
    pending: int = 0
    waiting: int = 0
    behind: int = 0
    least: float = 1.0
    again: int = 0

    @property
    def answers(self) -> int:
        """How many answers count."""
        return sum(self.counts.values())

    def __len__(self) -> int:
        return self.answers + self.behind

    def items(self) -> tuple[tuple[Kind, int], ...]:
        """The kinds with their counts, in an order that does not depend on how they came."""
        return tuple(sorted(self.counts.items()))


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of n rows: those that occur, and which of them each row is (n,)."""

    kinds: tuple[Kind, ...]
    codes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, table: EvidenceTable, standings: npt.NDArray[np.int8]) -> "Kinds":
        """The kinds of a table's rows with these standings."""
        if not len(table):
            return cls((), np.empty(0, np.intp))
        chances, chance_codes = np.unique(table.chances, return_inverse=True)
        steps, step_codes = np.unique(table.steps, return_inverse=True)
        marks = (standings.astype(np.intp) * len(Rival) + table.rivals) * len(Other) + table.others
        whole = (marks * len(chances) + chance_codes) * len(steps) + step_codes
        present, codes = np.unique(whole, return_inverse=True)
        kinds = []
        for one in present.tolist():
            rest, step = divmod(one, len(steps))
            mark, chance = divmod(rest, len(chances))
            mark, other = divmod(mark, len(Other))
            standing, rival = divmod(mark, len(Rival))
            kinds.append(Kind(standing, rival, float(chances[chance]), int(steps[step]), other))
        return cls(tuple(kinds), codes)


def tallies(rows: Kinds, cells: npt.NDArray[np.intp], count: int) -> tuple[Tally, ...]:
    """The tallies of `count` segments, each with a frontier of its own; cells: (n,) their codes."""
    kinds, n = rows.kinds, len(rows.codes)
    standings = np.array([kind.standing for kind in kinds], np.intp)
    waits = np.flatnonzero((standings == Standing.PENDING)[rows.codes])
    ends = np.full(count, n)
    np.minimum.at(ends, cells[waits], waits)
    behind = np.arange(n) >= ends[cells]
    places = (cells * len(kinds) + rows.codes) * 2 + behind
    each = np.bincount(places, minlength=count * len(kinds) * 2).reshape(count, len(kinds), 2)
    return tuple(_tally(kinds, standings, of_cell) for of_cell in each)


def _tally(
    kinds: tuple[Kind, ...], standings: npt.NDArray[np.intp], each: npt.NDArray[np.intp]
) -> Tally:
    """each: (kinds, 2) how many there are of each kind, before the frontier and behind it."""
    before, behind = each[:, 0], each[:, 1]
    pending = int(behind[standings == Standing.PENDING].sum())
    sampled = int(behind[standings != Standing.NOT_SAMPLED].sum())
    return Tally(
        counts={kinds[k]: int(before[k]) for k in np.flatnonzero(before)},
        pending=pending,
        waiting=sampled - pending,
        behind=int(behind.sum()),
        least=min((kinds[k].chance for k in np.flatnonzero(each.sum(axis=1))), default=1.0),
    )


def together(first: Tally, then: Tally) -> Tally:
    """Both, where nothing of the first is pending."""
    counts = dict(first.counts)
    for kind, count in then.counts.items():
        counts[kind] = counts.get(kind, 0) + count
    least = min(first.least, then.least)
    again = first.again + then.again
    return Tally(counts, then.pending, then.waiting, then.behind, least, again)
