"""Is a window unusual among past windows? The p-value that survives autocorrelation.

Tests that take rows as independent alarm in ordinary weeks, because inputs come in runs. Windows
as a whole are compared instead: `p = (1 + #{past windows with D >= D_now}) / (n_w + 1)`, among
*all* past windows: leaving out those that differed much would lower the bar with each.

The stream is looked at more often than a window is long, so the past is kept in blocks that do not
overlap, each with the largest distance of any look into it. While blocks are exchangeable, the
chance that any look into a new one has p <= level is level at most. It takes 1 / level - 1 blocks
before there is a p-value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from monitoring.domain.conformal import held_out_rows_for, p_values


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A block of looks: where the first one was, and the largest distance from the reference."""

    window_from: datetime
    window_to: datetime
    distance: float


@dataclass(frozen=True, slots=True)
class AmongPast:
    """How a window stands among `windows` past ones; p_value is None if they are few."""

    windows: int
    needed: int
    p_value: float | None

    @property
    def sentence(self) -> str:
        """What it says, for a person."""
        if self.p_value is None:
            return (
                f"history is too short to know what is usual: {self.windows} of "
                f"{self.needed} past windows"
            )
        return f"among {self.windows} past windows: p = {self.p_value:.2g}"

    def usual(self, level: float) -> bool:
        """Whether history is long enough to say that such a window is nothing special."""
        return self.p_value is not None and self.p_value > level


def among_past(
    distance: float, window_from: datetime, past: Sequence[PastWindow], level: float
) -> AmongPast:
    """Rank a window among the past blocks that it does not overlap."""
    apart = [w.distance for w in past if w.window_to <= window_from]
    needed = held_out_rows_for(level)
    if len(apart) < needed:
        return AmongPast(len(apart), needed, None)
    rank = p_values(np.array([distance]), np.sort(apart))
    return AmongPast(len(apart), needed, float(rank[0]))


def carried(past: Sequence[PastWindow], this: PastWindow, most: int) -> list[PastWindow]:
    """The past with one more look: a new block if it overlaps none, else part of the newest."""
    if not past or this.window_from >= past[-1].window_to:
        return [*past, this][-most:]
    newest = past[-1]
    farthest = max(newest.distance, this.distance)
    return [*past[:-1], PastWindow(newest.window_from, newest.window_to, farthest)]
