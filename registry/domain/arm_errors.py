"""Errors of two versions that answer side by side, counted once for each unit.

All answers of a unit come from one version, so its errors hang together: ten errors of one unit say
no more about the versions than one. Only answers that chance alone had reviewed count: flags are
the candidate's own, and would have more of its errors found than of the baseline's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from registry.domain.evidence_table import EvidenceTable, Standing


@dataclass(frozen=True, slots=True)
class Errors:
    """Units with an error in one step: those that the candidate answers, and the baseline."""

    candidate: int = 0
    baseline: int = 0


@dataclass(frozen=True, slots=True)
class ArmErrors:
    """Both versions' errors by step of gradual, which is to say by share of the traffic.

    for_pass: what is past due counts as an error of the candidate and as correct of the baseline.
    for_harm: the other way round. reviewed: answers with a verdict, the candidate's and the
    baseline's. pending, waiting: verdicts still to come, and those behind the first of them.
    """

    for_pass: Mapping[int, Errors] = field(default_factory=dict)
    for_harm: Mapping[int, Errors] = field(default_factory=dict)
    reviewed: tuple[int, int] = (0, 0)
    pending: int = 0
    waiting: int = 0
    _met: tuple[frozenset[tuple[int, int]], ...] = (frozenset(), frozenset())

    def after(self, table: EvidenceTable, standings: npt.NDArray[np.int8]) -> "ArmErrors":
        """The counts after more answers, up to the first that is pending."""
        compared = table.drawn & (table.units != 0)
        pending = np.flatnonzero(compared & (standings == Standing.PENDING))
        end = int(pending[0]) if len(pending) else len(table)
        sampled = compared & (standings != Standing.NOT_SAMPLED)
        decided = sampled[:end] & (standings[:end] != Standing.OVERDUE)
        theirs = int((decided & table.of_baseline[:end]).sum())
        mine = int(decided.sum()) - theirs
        before, of = slice(0, end), table.of_baseline[:end]
        wrong = standings[before] == Standing.ERROR
        late = standings[before] == Standing.OVERDUE
        seen = compared[before]
        for_pass, met_pass = _count(
            self.for_pass, self._met[0], table, seen & (wrong | (late & ~of))
        )
        for_harm, met_harm = _count(
            self.for_harm, self._met[1], table, seen & (wrong | (late & of))
        )
        return replace(
            self,
            for_pass=for_pass,
            for_harm=for_harm,
            reviewed=(self.reviewed[0] + mine, self.reviewed[1] + theirs),
            pending=len(pending),
            waiting=int(sampled[end:].sum()) - len(pending),
            _met=(met_pass, met_harm),
        )


def _count(
    errors: Mapping[int, Errors],
    met: frozenset[tuple[int, int]],
    table: EvidenceTable,
    which: npt.NDArray[np.bool_],
) -> tuple[Mapping[int, Errors], frozenset[tuple[int, int]]]:
    """Each unit's first error in each step; `met` are those that had theirs."""
    counts, fresh = dict(errors), set()
    for at in np.flatnonzero(which):
        step, unit = int(table.steps[at]), int(table.units[at])
        if (step, unit) in met or (step, unit) in fresh:
            continue
        fresh.add((step, unit))
        now = counts.get(step, Errors())
        theirs = bool(table.of_baseline[at])
        counts[step] = Errors(now.candidate + (not theirs), now.baseline + theirs)
    return counts, met | fresh if fresh else met
