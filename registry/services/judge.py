"""Judge a rollout: gather what its gates look at and weigh it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from registry.domain.assemble import assemble, counted_for_drift, traffic_of, traffic_segments
from registry.domain.decision import Hold, Judgement, evidence_digest, judge_watched
from registry.domain.decision import judge as weigh
from registry.domain.evidence import CLOCKS_DIFFER, DriftMeasurement, ReviewerTally
from registry.domain.evidence_log import SettledTraffic, Surroundings
from registry.domain.exposure import ExposureTable
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Evidence, Judged
from registry.domain.rollout import Rollout
from registry.domain.running import Answers
from registry.domain.segmented_traffic import SegmentedTraffic
from registry.domain.sight import Numbers, Sight
from registry.domain.stages import Stage
from registry.domain.traffic import SETTLING_SECONDS, reads_traffic
from registry.ports import UnitOfWork
from registry.services.approvers import objection
from registry.services.follow_evidence import Followed, follow
from registry.services.follow_traffic import TrafficMemory

# Rows that were numbered earlier and seen later do not always show in a mark.
_REMEMBERED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Looked:
    """What somebody saw of a rollout without keeping others from writing.

    It holds while nobody has changed the rollout: verdicts may be added meanwhile, but what a gate
    says may be acted on whenever it was said. sight: what the gates had before them, if they were
    looked at through a memory.
    """

    rollout: Rollout
    judgement: Judgement
    sight: Sight | None = field(default=None, kw_only=True)

    def holds(self, now: Rollout) -> bool:
        """Whether nobody has changed the rollout since."""
        then = self.rollout
        return (then.id, then.generation) == (now.id, now.generation)


@dataclass(frozen=True, slots=True)
class _Seen:
    mark: tuple[object, ...]
    at: datetime
    until: datetime
    gates: tuple[Judged, ...]
    followed: Followed
    drift: DriftMeasurement | None
    reviewers: ReviewerTally
    exposures: Numbers | None


class GateMemory:
    """What the gates of each rollout said last, for those who look again and again.

    Their verdicts are used while nothing that they look at has changed, and for a few seconds at
    most; the counts behind them go on from what was counted before. Whoever changes a rollout
    judges without it.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bool], _Seen] = {}
        self._traffic = TrafficMemory()

    def gates(self, unit: UnitOfWork, rollout: Rollout, now: datetime) -> tuple[Judged, ...]:
        """The verdicts of all gates, judged anew where there is something new."""
        which = (rollout.model, rollout.active)  # a candidate, and the live version under watch
        seen = self._seen.get(which)
        drift = _newest_drift(unit, rollout, now)
        known = seen.followed.up_to(rollout) if seen else 0
        evidence = unit.evidence.mark(rollout.id, rollout.stage, now, known)
        reviewers = unit.checks.tally(rollout.model, rollout.started_at, now)
        reads = reads_traffic(rollout.stage_plan.gates)
        traffic = (
            self._traffic.traffic(unit.exposures, rollout, now) if reads else SegmentedTraffic()
        )
        mark = (
            rollout.id,
            rollout.generation,
            evidence,
            drift.at if drift else None,
            reviewers,
            traffic.cursor,
            traffic.rows,
        )
        if seen is None or seen.mark != mark or not seen.at <= now < seen.until:
            followed = follow(unit, rollout, now, seen.followed if seen else None)
            answers = followed.running.answers(now)
            looked_at = gather(unit, rollout, now, answers, drift, reviewers, traffic)
            gates = judge_gates(rollout.stage_plan.gates, looked_at)
            until = min(now + _REMEMBERED, evidence.next_due or now + _REMEMBERED)
            exposures = self._traffic.numbers(rollout) if reads else None
            looked_at_too = (drift, reviewers, exposures)
            seen = self._seen[which] = _Seen(mark, now, until, gates, followed, *looked_at_too)
        return seen.gates

    def sight(self, rollout: Rollout) -> Sight | None:
        """What the gates of a rollout had before them when they said what they say now."""
        seen = self._seen.get((rollout.model, rollout.active))
        if seen is None:
            return None
        running = seen.followed.running
        tail = running.tail
        return Sight(
            seen.at,
            Numbers(running.position, tail.ids),
            tail.at(seen.at),
            tail.rivals,
            tail.others,
            seen.drift,
            seen.reviewers,
            seen.exposures,
        )


def judge(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory | None = None
) -> Judgement:
    """What all gates say now, what is missing, and what follows."""
    if rollout.watched:
        return judge_watched(rollout, (memory or GateMemory()).gates(unit, rollout, now))
    if not rollout.active:
        name = f"{rollout.model}@{rollout.version}"
        said = "nothing is being decided"
        if rollout.stage is Stage.LIVE:
            said = "it is under no watch, so that only a person takes it back"
        return Judgement(Hold((f"{name} is {rollout.stage.words}; {said}",)))
    return conclude(unit, rollout, (memory or GateMemory()).gates(unit, rollout, now), now)


def conclude(
    unit: UnitOfWork, rollout: Rollout, gates: tuple[Judged, ...], now: datetime
) -> Judgement:
    """What follows from the gates of a candidate and from the approvals of this very evidence."""
    given = unit.approvals.actors(rollout, evidence_digest(rollout, gates))
    return weigh(rollout, gates, tuple(a for a in given if not objection(unit, rollout, a)), now)


def gather(
    unit: UnitOfWork,
    rollout: Rollout,
    now: datetime,
    answers: Answers,
    drift: DriftMeasurement | None,
    reviewers: ReviewerTally,
    traffic: SegmentedTraffic,
) -> Evidence:
    """The evidence of the stage that the rollout is in."""
    until, most = 0, counted_for_drift(rollout, drift)
    if drift is not None and most is not None:
        until = unit.evidence.answers_until(rollout.id, rollout.stage, drift.window_to, most)
    return assemble(rollout, now, answers, drift, until, reviewers, traffic)


def surroundings(
    unit: UnitOfWork, rollout: Rollout, now: datetime, met: Callable[[ExposureTable], None]
) -> Surroundings:
    """The same as a certificate keeps it, but for the answers.

    met: is given the exposures that were counted, some at a time.
    """
    return Surroundings(
        _newest_drift(unit, rollout, now),
        unit.checks.read(rollout.model, rollout.started_at),
        _settled(unit, rollout, now, met) if reads_traffic(rollout.stage_plan.gates) else None,
    )


def _settled(
    unit: UnitOfWork, rollout: Rollout, now: datetime, met: Callable[[ExposureTable], None]
) -> SettledTraffic:
    """The traffic of the stage as far as nothing can be added to it any more."""
    until, counts = now - timedelta(seconds=SETTLING_SECONDS), traffic_of(rollout)
    names = tuple(traffic_segments(rollout))
    for some in unit.exposures.portions(rollout.id, rollout.stage, until, names):
        met(some)
        counts = counts.after(some)
    return SettledTraffic(until, counts.rows, counts)


def _newest_drift(unit: UnitOfWork, rollout: Rollout, now: datetime) -> DriftMeasurement | None:
    """The newest since the stage began; if that was by a clock that was set back since, the newest.

    How many inputs of the stage it has seen is counted from the answers, whatever the clock said.
    """
    newest = next(iter(unit.drift.recent(rollout.model, rollout.version, limit=1)), None)
    if newest is None or rollout.stage_since > now + CLOCKS_DIFFER:
        return newest
    return newest if newest.at >= rollout.stage_since else None
