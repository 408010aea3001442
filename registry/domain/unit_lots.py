"""What is known of each unit's place in the lot, and when seeing it again is a fresh draw.

A unit's place is uniform on [0, 1) and never changes; the candidate answers the units whose place
is below the share. Whoever was seen with the baseline at a share of 5 % has a place of 0.05 or
more; at 25 % such a unit is the candidate's with a chance of 0.20 / 0.95. Only while its place is
not yet known to be on one side of the share does a unit's arm say anything by chance, so only then
does it count; this is what keeps the counts independent when weights go up and down.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


# In place of a step: the arm that it drew is known by now.
SHOWN = -1


def _none() -> Integers:
    return np.empty(0, np.int64)


def _no_bounds() -> Floats:
    return np.empty(0, np.float64)


@dataclass(frozen=True, slots=True)
class UnitSet:
    """Units, sorted."""

    units: Integers = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.units)

    def first_times(self, units: Integers) -> tuple[npt.NDArray[np.intp], "UnitSet"]:
        """Where units occur that are not in the set yet, and the set with them."""
        if not len(units):
            return np.empty(0, np.intp), self
        unique, first = np.unique(units, return_index=True)
        new = ~_known(self.units, unique)[1]
        if not new.any():
            return np.empty(0, np.intp), self
        at = np.searchsorted(self.units, unique[new])
        return np.sort(first[new]), UnitSet(np.insert(self.units, at, unique[new]))


@dataclass(frozen=True, slots=True)
class Draws:
    """Units whose arm was open until now: where they first occur, their chance, and their arm.

    joined: which of them the candidate answers for the first time. low, high: what was known of
    their places before.
    """

    positions: npt.NDArray[np.intp]
    chances: Floats
    candidate: npt.NDArray[np.bool_]
    joined: npt.NDArray[np.bool_]
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class UnitLots:
    """The places of all units seen: at least `low`, below `high` (infinity: never a candidate)."""

    units: Integers = field(default_factory=_none)
    low: Floats = field(default_factory=_no_bounds)
    high: Floats = field(default_factory=_no_bounds)

    def draw(
        self, units: Integers, candidate: npt.NDArray[np.bool_], share: float
    ) -> tuple[Draws, "UnitLots"]:
        """The fresh draws among requests at one share, and what is known after them."""
        unique, first = np.unique(units, return_index=True)
        at, known = _known(self.units, unique)
        low, high = np.zeros(len(unique)), np.full(len(unique), np.inf)
        low[known], high[known] = self.low[at[known]], self.high[at[known]]
        fresh = (low < share) & (share < high)
        arms = candidate[first]
        order = np.argsort(first[fresh])
        draws = Draws(
            first[fresh][order],
            chances(share, low[fresh], high[fresh])[order],
            arms[fresh][order],
            (arms & np.isinf(high))[fresh][order],
            low[fresh][order],
            high[fresh][order],
        )
        low = np.where(fresh & ~arms, share, low)
        high = np.where(fresh & arms, share, high)
        return draws, self._with(unique, low, high, at, known, fresh)

    def _with(
        self,
        unique: Integers,
        low: Floats,
        high: Floats,
        at: npt.NDArray[np.intp],
        known: npt.NDArray[np.bool_],
        fresh: npt.NDArray[np.bool_],
    ) -> "UnitLots":
        if not fresh.any():
            return self
        lows, highs = self.low, self.high
        again = fresh & known
        if again.any():
            lows, highs = lows.copy(), highs.copy()
            lows[at[again]], highs[at[again]] = low[again], high[again]
        new = ~known
        where = at[new]
        return UnitLots(
            np.insert(self.units, where, unique[new]),
            np.insert(lows, where, low[new]),
            np.insert(highs, where, high[new]),
        )


@dataclass(frozen=True, slots=True)
class LastDraws:
    """Of each unit, sorted, the last step in which its arm was open until then, or SHOWN.

    low, high: what was known of its place before that.
    """

    units: Integers = field(default_factory=_none)
    steps: Integers = field(default_factory=_none)
    low: Floats = field(default_factory=_no_bounds)
    high: Floats = field(default_factory=_no_bounds)

    def followed_by(self, draws: Draws, units: Integers, step: int) -> "LastDraws":
        """With the draws of one step, and all units that were seen in it.

        Whoever is seen in another step has shown its arm in the one before.
        """
        seen, known = _known(self.units, units)
        steps = self.steps.copy()
        steps[seen[known]] = np.where(steps[seen[known]] == step, step, SHOWN)
        drawn = units[draws.positions]
        order = np.argsort(drawn)
        news = (np.full(len(drawn), step), draws.low[order], draws.high[order])
        at, known = _known(self.units, drawn[order])
        columns = []
        for old, new in zip((steps, self.low, self.high), news, strict=True):
            column = old.copy()
            column[at[known]] = new[known]
            columns.append(np.insert(column, at[~known], new[~known]))
        return LastDraws(np.insert(self.units, at[~known], drawn[order][~known]), *columns)

    def shown(self, units: Integers) -> "LastDraws":
        """With units whose arm has shown otherwise."""
        at, known = _known(self.units, units)
        steps = self.steps.copy()
        steps[at[known]] = SHOWN
        return replace(self, steps=steps)

    def meet(
        self, units: Integers, step: int
    ) -> tuple[npt.NDArray[np.intp], Floats, Floats, "LastDraws"]:
        """Where units meet something first since this step drew their arm, and what was known then.

        By that they have shown it. Gives positions in `units`, in their order, low and high.
        """
        unique, first = np.unique(units, return_index=True)
        at, known = _known(self.units, unique)
        known[known] = self.steps[at[known]] == step
        order = np.argsort(first[known])
        at = at[known][order]
        return first[known][order], self.low[at], self.high[at], self.shown(unique[known])

    def at(self, unit: int, step: int) -> tuple[float, float] | None:
        """What was known of a unit's place before this step; None if this step drew nothing."""
        place = int(np.searchsorted(self.units, unit))
        if place == len(self.units) or self.units[place] != unit or self.steps[place] != step:
            return None
        return float(self.low[place]), float(self.high[place])


def chances(share: float, low: Floats, high: Floats) -> Floats:
    """The candidate's chance at a share, of units of whose places this is known."""
    return np.round((share - low) / (np.minimum(high, 1.0) - low), 12)


def _known(
    sorted_units: Integers, units: Integers
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each unit is or would be, and whether it is there."""
    at = np.searchsorted(sorted_units, units)
    if not len(sorted_units):
        return at, np.zeros(len(units), np.bool_)
    return at, sorted_units[np.minimum(at, len(sorted_units) - 1)] == units
