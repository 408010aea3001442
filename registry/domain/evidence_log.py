"""The rows that one promotion was judged on, each with its standing at that moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
from registry.domain.exposure import ExposureTable
from registry.domain.gate_table import judge_gates
from registry.domain.gates import Judged
from registry.domain.rollout import Rollout
from registry.domain.running import Running

LATEST_FORM = 2


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

    Nothing can be added to them or changed, so a later reading finds the same. form: which of their
    columns the promotion was judged by and hashed with; the first had fewer.
    """

    until: datetime
    exposures: ExposureTable = field(compare=False)
    form: int = LATEST_FORM


@dataclass(frozen=True, slots=True)
class EvidenceLog:
    """Everything that the gates of one stage looked at, at one moment."""

    answers: tuple[LoggedAnswer, ...] = ()
    drift: DriftMeasurement | None = None
    checks: tuple[ReviewerCheck, ...] = field(default=())
    traffic: SettledTraffic | None = None

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many of the verdicts each person gave."""
        return Counter(a.reviewer for a in self.answers if a.reviewer is not None)


def judge_log(rollout: Rollout, log: EvidenceLog, now: datetime) -> tuple[Judged, ...]:
    """What every gate of the rollout's stage says of this log, and of nothing else."""
    counting = counting_of(rollout)
    names = tuple(counting.segments)
    rows = _table(log.answers, names)
    answers = Running.start(counting).take(0, table_of([], names), rows).answers(now)
    until = _answers_until(rollout, log)
    traffic = traffic_of(rollout)
    if log.traffic is not None:
        traffic = traffic.after(log.traffic.exposures)
    evidence = assemble(rollout, now, answers, log.drift, until, tally(log.checks), traffic)
    return judge_gates(rollout.stage_plan.gates, evidence)


def tally(checks: Sequence[ReviewerCheck]) -> ReviewerTally:
    """Checks of reviewers as numbers."""
    gold = [check for check in checks if check.kind is CheckKind.GOLD]
    known = [check for check in gold if check.model_was_right is False]
    numbers = [(len(some), sum(not check.agreed for check in some)) for some in (gold, known)]
    return ReviewerTally(*numbers[0], *numbers[1])


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


def _answers_until(rollout: Rollout, log: EvidenceLog) -> int:
    most = counted_for_drift(rollout, log.drift)
    if most is None or log.drift is None:
        return 0
    end = log.drift.window_to
    return min(most, sum(answer.created_at <= end for answer in log.answers))
