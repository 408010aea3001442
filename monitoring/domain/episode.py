"""When a shift begins and when it is over: an alarm is an episode, not a moment.

Whoever is on call wants to hear of a shift once, and to hear that it has ended.

- It begins when the evidence of the replicas reaches A, the run length.
- It ends when the tests of the newest window find no shift, and all inputs of that window came
  after the evidence last reached A.
- Once history is long enough, a window that is usual among the past ones begins none, and ends
  the one that is open; it is ranked among windows from before the episode, if they are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitoring.domain.history import AmongPast, PastWindow


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the detector of a replica stood at a moment."""

    replica: str
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence of a shift, of all replicas together.

    enough: when it first and last reached the run length, of late; None if it has not.
    """

    value: float
    run_length: float
    replicas: int
    enough: tuple[datetime, datetime] | None

    @property
    def sureness(self) -> str:
        """How far an alarm can be trusted, for a person."""
        return f"1 false alarm in {self.run_length:,.0f} inputs at most, on average"


def evidence_of(readings: Sequence[Reading], run_length: float, after: datetime | None) -> Evidence:
    """The sum of each replica's newest reading; readings come oldest first.

    after: readings up to then have been judged before.
    """
    newest = {reading.replica: reading for reading in readings}
    value = sum(reading.value for reading in newest.values())
    fresh = [r for r in readings if after is None or r.at > after]
    enough = [r.at for r in fresh if r.value >= run_length]
    if fresh and value >= run_length:
        enough.append(fresh[-1].at)
    span = (min(enough), max(enough)) if enough else None
    return Evidence(value, run_length, len(newest), span)


@dataclass(frozen=True, slots=True)
class Episode:
    """A shift that is not over: evidence reached the run length at `since`, last at `renewed`."""

    since: datetime
    renewed: datetime


def judge(
    episode: Episode | None,
    evidence: Evidence,
    moved: bool,
    window_from: datetime,
    among_past: AmongPast,
    level: float,
) -> Episode | None:
    """The episode after one more look, given the one that was open before it.

    moved: whether the tests of the newest window, which begins at `window_from`, find a shift.
    """
    if among_past.usual(level):
        return None
    if evidence.enough is not None:
        first, last = evidence.enough
        return Episode(episode.since if episode else first, last)
    over = episode is not None and not moved and window_from >= episode.renewed
    return None if over else episode


def comparable(
    past: Sequence[PastWindow], episode: Episode | None, needed: int
) -> Sequence[PastWindow]:
    """The windows that tell what is usual: those before the episode, if there are enough.

    Otherwise its own, so that a stream that has always been like this can be known as such.
    """
    if episode is None:
        return past
    earlier = [w for w in past if w.window_to < episode.since]
    return (
        earlier if len(earlier) >= needed else [w for w in past if w.window_from >= episode.since]
    )
