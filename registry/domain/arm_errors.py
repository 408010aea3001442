"""Errors of two versions that answer side by side, counted once for each draw of a unit.

All answers of a unit come from one version, so its errors hang together: ten errors of one unit say
no more about the versions than one. A unit keeps its place in the lot for good, so in a later step
its arm is news only where the steps before have left it open; a unit whose arm is known already
says nothing any more, however often it errs. Only answers that chance alone had reviewed count:
flags are the candidate's own, and would have more of its errors found than of the baseline's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from registry.domain.evidence_table import EvidenceTable, Standing
from registry.domain.unit_lots import SHOWN, LastDraws, UnitLots

_Rows = npt.NDArray[np.intp]
# Lots are told apart by the number of the step here; shares rise with it, and so do these.
_STEP = 2.0**-20


class Odds(NamedTuple):
    """A step of gradual, and what was known before of a unit's arm.

    after: the last step in which the baseline answered it, None if none did. until: the first in
    which the candidate did.
    """

    step: int
    after: int | None = None
    until: int | None = None

    def chance(self, weights: tuple[float, ...]) -> float:
        """The chance that the candidate answers such a unit, given what was known.

        >>> Odds(1, after=0).chance((5.0, 25.0))
        0.210526315789
        """
        low = 0.0 if self.after is None else weights[self.after]
        high = 100.0 if self.until is None else weights[self.until]
        here = weights[self.step]
        return round((here - low) / (high - low), 12) if low < here < high else 1.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Units with an error: those that the candidate answers, and the baseline."""

    candidate: int = 0
    baseline: int = 0


Met = frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ArmErrors:
    """Both versions' errors, told apart by how likely the candidate was to meet them.

    for_pass: what is past due counts as an error of the candidate and as correct of the baseline.
    for_harm: the other way round. reviewed: answers with a verdict, the candidate's and the
    baseline's. pending, waiting: verdicts still to come, and those behind the first of them.
    """

    for_pass: Mapping[Odds, Errors] = field(default_factory=dict)
    for_harm: Mapping[Odds, Errors] = field(default_factory=dict)
    reviewed: tuple[int, int] = (0, 0)
    pending: int = 0
    waiting: int = 0
    _lots: UnitLots = field(default_factory=UnitLots, compare=False)
    _draws: LastDraws = field(default_factory=LastDraws, compare=False)
    _met: tuple[Met, Met] = (frozenset(), frozenset())

    def after(
        self,
        table: EvidenceTable,
        standings: npt.NDArray[np.int8],
        present: npt.NDArray[np.bool_],
    ) -> "ArmErrors":
        """The counts after more answers, up to the first that is pending.

        present: whether each was given beside the present baseline; one beside another still shows
        the arm of its unit.
        """
        compared = table.drawn & (table.units != 0)
        pending = np.flatnonzero(compared & present & (standings == Standing.PENDING))
        end = int(pending[0]) if len(pending) else len(table)
        sampled = compared & present & (standings != Standing.NOT_SAMPLED)
        decided = sampled[:end] & (standings[:end] != Standing.OVERDUE)
        theirs = int((decided & table.of_baseline[:end]).sum())
        mine = int(decided.sum()) - theirs
        found = self._count(table, standings, present, np.flatnonzero(compared[:end]))
        return replace(
            found,
            reviewed=(self.reviewed[0] + mine, self.reviewed[1] + theirs),
            pending=len(pending),
            waiting=int(sampled[end:].sum()) - len(pending),
        )

    def _count(
        self,
        table: EvidenceTable,
        standings: npt.NDArray[np.int8],
        present: npt.NDArray[np.bool_],
        rows: _Rows,
    ) -> "ArmErrors":
        counts, kinds = self, 2 * table.steps[rows] + present[rows]
        ends = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(rows)]
        for start, end in pairwise(ends):
            if end > start:
                some = rows[start:end]
                news = bool(present[some[0]])
                counts = counts._count_step(table, standings, some, news=news)
        return counts

    def _count_step(
        self, table: EvidenceTable, standings: npt.NDArray[np.int8], rows: _Rows, *, news: bool
    ) -> "ArmErrors":
        """Rows of one step: first what its lot says anew, then whom it had meet an error."""
        step, units = int(table.steps[rows[0]]), table.units[rows]
        drawn, lots = self._lots.draw(units, ~table.of_baseline[rows], (step + 1) * _STEP)
        draws = self._draws.followed_by(drawn, units, step if news else SHOWN)
        if not news:
            return replace(self, _lots=lots, _draws=draws)
        wrong = standings[rows] == Standing.ERROR
        late = standings[rows] == Standing.OVERDUE
        of = table.of_baseline[rows]
        for_pass, met_pass = _first_errors(
            self.for_pass, self._met[0], draws, step, units, of, wrong | (late & ~of)
        )
        for_harm, met_harm = _first_errors(
            self.for_harm, self._met[1], draws, step, units, of, wrong | (late & of)
        )
        met = (met_pass, met_harm)
        return replace(
            self, for_pass=for_pass, for_harm=for_harm, _lots=lots, _draws=draws, _met=met
        )


def _first_errors(
    errors: Mapping[Odds, Errors],
    met: Met,
    draws: LastDraws,
    step: int,
    units: npt.NDArray[np.int64],
    of_baseline: npt.NDArray[np.bool_],
    which: npt.NDArray[np.bool_],
) -> tuple[Mapping[Odds, Errors], Met]:
    """Each unit's first error after its arm was drawn; `met` are those that had theirs."""
    counts, fresh = dict(errors), set()
    for at in np.flatnonzero(which).tolist():
        unit, theirs = int(units[at]), bool(of_baseline[at])
        bounds = draws.at(unit, step)
        if bounds is None or (step, unit) in met or (step, unit) in fresh:
            continue
        fresh.add((step, unit))
        odds = Odds(step, *(int(end / _STEP) - 1 if 0 < end < 1 else None for end in bounds))
        now = counts.get(odds, Errors())
        counts[odds] = Errors(now.candidate + (not theirs), now.baseline + theirs)
    return counts, met | fresh if fresh else met
