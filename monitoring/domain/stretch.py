"""Which of the newest inputs explain an alarm: those since the evidence of it began to grow.

The detectors are quicker than tests of a window of fixed length, most of which lies before the
shift when the alarm comes. Each replica says, with its window, what it has counted since its own
evidence began to grow. Such a stretch is chosen by looking at the data: it explains, and never
decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.domain.window import LiveWindow, WindowCounts, merge


@dataclass(frozen=True, slots=True)
class Stretch:
    """Live inputs between two moments; picked: by the detectors, since their evidence grew."""

    window_from: datetime
    window_to: datetime
    counts: WindowCounts
    picked: bool = False


def whole(windows: Sequence[LiveWindow]) -> Stretch:
    """All inputs of some windows, at least one."""
    return Stretch(
        min(w.started_at for w in windows), max(w.ended_at for w in windows), merge(windows)
    )


def since_growth(
    windows: Sequence[LiveWindow], alarm: datetime, silent_after: timedelta
) -> Stretch | None:
    """The inputs since the evidence for an alarm began to grow; windows come newest first.

    None if that is all of them: the alarm came before the oldest, or no replica saw it grow.
    Replicas that had long been silent at the alarm took no part in it.
    """
    later = [w for w in windows if w.ended_at > alarm]
    newest: dict[str, LiveWindow] = {}
    for window in windows:
        if alarm - silent_after < window.ended_at <= alarm:
            newest.setdefault(window.replica, window)
    grown = [w.growth for w in newest.values() if w.growth is not None]
    if not grown:
        return None
    counts = sum((g.counts for g in grown), start=merge(later))
    end = max(w.ended_at for w in windows)
    return Stretch(min(g.since for g in grown), end, counts, picked=True)
