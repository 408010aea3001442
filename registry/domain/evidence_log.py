"""The rows that one promotion was judged on, each with its standing at that moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

from registry.domain.assemble import assemble, counted_for_drift, counting_of, traffic_of
from registry.domain.evidence import (
    Arm,
    CheckKind,
    DriftMeasurement,
    ReviewerCheck,
    ReviewerTally,
)
from registry.domain.evidence_table import (
    EvidenceTable,
    Other,
    Rival,
    Standing,
    table_of,
    table_of_columns,
)
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Judged
from registry.domain.rollout import Rollout
from registry.domain.running import Running
from registry.domain.segmented_traffic import SegmentedTraffic

LATEST_FORM = 3


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One answer; `standing`, `rival`, `reviewer` and `other` can change after it was given."""

    id: int
    prediction_id: str
    step: int
    model_label: str
    baseline_label: str | None
    chance: float
    segments: Mapping[str, str]
    created_at: datetime
    due_at: datetime | None
    standing: Standing
    rival: Rival = Rival.NONE
    arm: Arm = Arm.CANDIDATE
    drawn: bool = False
    unit: int | None = None
    epoch: int = 0
    reviewer: str | None = None
    other: Other = Other.NONE


@dataclass(frozen=True, slots=True)
class SettledTraffic:
    """The exposures of a stage that were created up to a moment, all of which were written by then.

    Nothing can be added to them or changed, so a later reading finds the same. rows: how many.
    counts: what gates read of them. form: how the promotion hashed them; the first had fewer
    columns, and before the third they were hashed as a whole.
    """

    until: datetime
    rows: int
    counts: SegmentedTraffic = field(compare=False)
    form: int = LATEST_FORM


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the gates of a stage looked at besides its answers, at one moment."""

    drift: DriftMeasurement | None = None
    checks: tuple[ReviewerCheck, ...] = ()
    traffic: SettledTraffic | None = None


@dataclass(frozen=True, slots=True)
class EvidenceLog:
    """The answers that a judgement rests on, counted as far as they have been read.

    They may be many, so they are read once, in prediction order, in portions; the verdicts are the
    same however they are cut. compared: how many were given up to the end of the measured window.
    verdicts: how many each person gave. frontier, last: the numbers of the first answer that is
    pending, and of the last that there is.
    """

    rollout: Rollout
    drift: DriftMeasurement | None
    running: Running
    rows: int = 0
    compared: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    frontier: int | None = None
    last: int | None = None

    @classmethod
    def start(cls, rollout: Rollout, drift: DriftMeasurement | None) -> "EvidenceLog":
        """Nothing read yet of what the rollout's present stage is judged on."""
        return cls(rollout, drift, Running.start(counting_of(rollout)))

    def after(self, answers: Sequence[LoggedAnswer]) -> "EvidenceLog":
        """With the answers that come next."""
        if not answers:
            return self
        names = tuple(self.running.counting.segments)
        before, last = self.last or 0, answers[-1].id
        running = self.running.take(before, table_of([], names), _table(answers, names))
        end = None if self.drift is None else self.drift.window_to
        pending = (answer.id for answer in answers if answer.standing is Standing.PENDING)
        return replace(
            self,
            running=running.settle(last, answers[-1].created_at),
            rows=self.rows + len(answers),
            compared=self.compared + sum(end is not None and a.created_at <= end for a in answers),
            verdicts=Counter(self.verdicts) + Counter(a.reviewer for a in answers if a.reviewer),
            frontier=next(pending, None) if self.frontier is None else self.frontier,
            last=last,
        )

    def judge(self, around: Surroundings, now: datetime) -> tuple[Judged, ...]:
        """What every gate of the rollout's stage says of this, and of nothing else."""
        counts = None if around.traffic is None else around.traffic.counts
        return self.judge_on(tally(around.checks, now), counts, now)

    def judge_on(
        self, reviewers: ReviewerTally, counts: SegmentedTraffic | None, now: datetime
    ) -> tuple[Judged, ...]:
        """The same with what reviewers' checks came to, and these counts of exposures."""
        traffic = traffic_of(self.rollout) if counts is None else counts
        most = counted_for_drift(self.rollout, self.drift)
        until = 0 if most is None else min(most, self.compared)
        answers = self.running.answers(now)
        evidence = assemble(self.rollout, now, answers, self.drift, until, reviewers, traffic)
        return judge_gates(self.rollout.stage_plan.gates, evidence)


def tally(checks: Sequence[ReviewerCheck], now: datetime) -> ReviewerTally:
    """Checks of reviewers as numbers: those before the first that is open."""
    asked = [check for check in checks if check.kind is CheckKind.GOLD]
    gold = list(takewhile(lambda check: not check.open_at(now), asked))
    known = [check for check in gold if check.model_was_right is False]
    wrong = sum(not check.agreed and not check.waiting for check in gold)
    misses, late = sum(not check.agreed for check in known), sum(c.waiting for c in gold)
    return ReviewerTally(len(gold), wrong, len(known), misses, late)


def _table(answers: Sequence[LoggedAnswer], segments: Sequence[str]) -> EvidenceTable:
    columns = (
        [answer.id for answer in answers],
        [answer.standing for answer in answers],
        [answer.rival for answer in answers],
        [answer.other for answer in answers],
        [None] * len(answers),  # what is past due stands so already
        [answer.chance for answer in answers],
        [answer.step for answer in answers],
        [answer.arm is Arm.BASELINE for answer in answers],
        [answer.drawn for answer in answers],
        [answer.unit or 0 for answer in answers],
        [answer.epoch for answer in answers],
        [answer.created_at for answer in answers],
    )
    return table_of_columns(
        columns, {name: [answer.segments.get(name) for answer in answers] for name in segments}
    )
