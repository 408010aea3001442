"""One look at a version's newest inputs: has the stream shifted, what moved, and how far.

The replicas' detectors decide whether there is a shift, since they may be looked at at any time;
tests explain it: those of the newest window or, in an alarm, of the inputs since the evidence for
it began to grow. What is usual for the stream is learnt on the way: each measurement carries the
past windows, so that the next one can rank itself among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.domain.conformal import held_out_rows_for
from monitoring.domain.detector import USUAL_BETS
from monitoring.domain.drift_tests import DriftTest, Thresholds, compare
from monitoring.domain.drift_words import quiet_sentence, shift_notes, shift_sentence
from monitoring.domain.episode import Episode, Evidence, comparable, judge
from monitoring.domain.history import AmongPast, PastWindow, among_past, carried
from monitoring.domain.reference import OUT_OF_DOMAIN_LEVEL, Reference
from monitoring.domain.stretch import Stretch, since_growth, whole
from monitoring.domain.window import LiveWindow, WindowCounts
from registry.domain.evidence import CLOCKS_DIFFER, DriftMeasurement

CARRIED = 200
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """How to look: at the newest `most_rows` inputs, once there are `minimum_rows`.

    run_length: evidence that begins an alarm; without a shift, so many inputs lie before one, on
    average. silent_after: replicas not heard for so long do not count. fresh_rows, every: a
    measurement that says the same as the last one is kept after so many inputs and so long.
    """

    minimum_rows: int = 100
    most_rows: int = 500
    thresholds: Thresholds = field(default_factory=Thresholds)
    run_length: float = USUAL_BETS.run_length
    silent_after: timedelta = timedelta(minutes=10)
    fresh_rows: int = 25
    every: timedelta = timedelta(seconds=10)


USUAL_CHECK = DriftCheck()


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a version's newest inputs; only read, never kept."""

    newest: Sequence[LiveWindow]
    counts: WindowCounts
    evidence: Evidence
    last: DriftMeasurement | None

    @property
    def episode(self) -> Episode | None:
        """The episode that the last measurement found open."""
        found = self.last.detail["episode"] if self.last else None
        if not found:
            return None
        at = {name: datetime.fromisoformat(text) for name, text in found.items()}
        return Episode(at["since"], at["renewed"])


@dataclass(frozen=True, slots=True)
class Measured:
    """A measurement, and the inputs that its tests compare."""

    measurement: DriftMeasurement
    stretch: Stretch


def measure(
    seen: Look, reference: Reference, model: str, version: int, now: datetime, check: DriftCheck
) -> Measured:
    """Compare the newest rows with the reference, and judge whether the stream has shifted."""
    profile, level = reference.profile, check.thresholds.level
    newest = whole(seen.newest)
    usual = compare(profile, newest.counts, check.thresholds)
    this, past = PastWindow(newest.window_from, newest.window_to, usual.distance), _past(seen.last)
    among = comparable(past, seen.episode, held_out_rows_for(level))
    rank = among_past(this.distance, this.window_from, among, level)
    episode = judge(seen.episode, seen.evidence, usual.alarm, this.window_from, rank, level)
    stretch, shown = newest, usual
    if episode and (grown := since_growth(seen.newest, episode.since, check.silent_after)):
        stretch, shown = grown, compare(profile, grown.counts, check.thresholds)
    measurement = DriftMeasurement(
        model=model,
        version=version,
        window_from=stretch.window_from,
        window_to=stretch.window_to,
        rows=stretch.counts.rows,
        alarm=episode is not None,
        sentence=shift_sentence(shown, profile, stretch, _since(stretch, episode))
        if episode
        else quiet_sentence(shown, profile, stretch.counts, seen.evidence, rank),
        detail={
            "tests": [describe_test(test) for test in shown.tests],
            "level": usual.level,
            "distance": usual.distance,
            "out_of_domain": out_of_domain_document(stretch.counts, reference),
            "episode": _to_document(episode) if episode else None,
            "picked": stretch.picked,
            "notes": list(shift_notes(stretch, seen.evidence, rank)) if episode else [],
            **_reasons(seen.evidence, rank),
            "past": _to_lists(carried(past, this, CARRIED)),
        },
        at=now,
    )
    return Measured(measurement, stretch)


def by_this_clock(last: DriftMeasurement | None, now: datetime) -> DriftMeasurement | None:
    """The last measurement; if the clock was set back since, what there is to go on from.

    A shift that it found goes on, from now. Whatever came since seems to be older than it was, so
    all that there is by this clock is fresh; its past windows are kept as far as they seem past.
    """
    if last is None or last.at <= now + CLOCKS_DIFFER:
        return last
    again = _to_document(Episode(now, now)) if last.detail["episode"] else None
    past = [window for window in _past(last) if window.window_to <= now]
    detail = {**last.detail, "episode": again, "past": _to_lists(past)}
    return replace(last, at=_LONG_AGO, window_from=_LONG_AGO, window_to=_LONG_AGO, detail=detail)


def describe_test(test: DriftTest) -> dict[str, Any]:
    """One test as the API shows it."""
    return {
        "feature": test.feature,
        "test": test.test,
        "statistic": test.statistic,
        "p_value": test.p_value,
        "p_adjusted": test.p_adjusted,
        "effect": test.effect.size,
        "effect_interval": [test.effect.low, test.effect.high],
        "moved_sd": test.moved,
        "alarm": test.alarm,
    }


def out_of_domain_document(counts: WindowCounts, reference: Reference) -> dict[str, Any] | None:
    """How many rows were out of domain, and what share would be of normal ones.

    finest_of: the number of held-out rows, if a lower share cannot be told with so few.
    """
    if not counts.scored:
        return None
    level, scorer = reference.out_of_domain_level, reference.scorer
    return {
        "flagged": counts.flagged,
        "rows": counts.scored,
        "ratio": counts.out_of_domain_ratio,
        "expected": level,
        "finest_of": len(scorer.held_out) if scorer and level > OUT_OF_DOMAIN_LEVEL else None,
    }


def _since(stretch: Stretch, episode: Episode) -> datetime:
    """When the shift began: where its evidence began to grow, if that is still known."""
    return stretch.window_from if stretch.picked else episode.since


def _reasons(evidence: Evidence, rank: AmongPast) -> Mapping[str, Any]:
    return {
        "evidence": {
            "value": evidence.value,
            "run_length": evidence.run_length,
            "replicas": evidence.replicas,
        },
        "usual": {"windows": rank.windows, "needed": rank.needed, "p_value": rank.p_value},
    }


def _to_document(episode: Episode) -> dict[str, str]:
    return {"since": episode.since.isoformat(), "renewed": episode.renewed.isoformat()}


def _past(last: DriftMeasurement | None) -> list[PastWindow]:
    """The windows that the last measurement carries, oldest first."""
    entries = last.detail["past"] if last else []
    return [
        PastWindow(datetime.fromisoformat(start), datetime.fromisoformat(end), distance)
        for start, end, distance in entries
    ]


def _to_lists(past: Sequence[PastWindow]) -> list[list[Any]]:
    return [[w.window_from.isoformat(), w.window_to.isoformat(), w.distance] for w in past]
