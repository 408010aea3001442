"""The measurements that gates read: verdicts on a candidate's answers, and drift of its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from registry.domain.stages import Stage

# An answer can be undone for a while after it was given, and is handed in when that is over. If
# that is later than this after its due time, it counts as given late: gates wait no longer for it.
VERDICT_GRACE = timedelta(seconds=60)
# What replicas' clocks may differ by. What is said to have happened later than this from now was
# said by a clock that has been set back since.
CLOCKS_DIFFER = timedelta(minutes=1)
# No effect on another system is put off for longer before it is tried again.
LONGEST_WAIT = timedelta(minutes=5)


class Verdict(StrEnum):
    """What a person's answer says about the candidate's."""

    CORRECT = "correct"
    ERROR = "error"


class Second(StrEnum):
    """What the second of two people said beside the first, before either knew more."""

    WANTED = "wanted"  # two are to be asked
    AGREED = "agreed"
    DISAGREED = "disagreed"


class Arm(StrEnum):
    """Whose answer a row of evidence is."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"  # drawn at random where it answered instead, to compare with


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One answer of a candidate; `sampled` rows wait for a verdict until `due_at`.

    `inclusion_probability` is the chance that this answer had to be reviewed, fixed before any
    review; rows that were not sampled count through it. drawn: whether chance alone, without any
    flag, had it reviewed. unit: a number for who asked. epoch: the rollout's
    generation then, 0 where nobody wrote it down. second: whether two reviewers agreed, if two are
    asked. A verdict or a second opinion given at `due_at` or later changes nothing any more.
    """

    rollout_id: str
    stage: Stage
    step: int
    prediction_id: str
    version: int
    model_label: str
    inclusion_probability: float
    sampled: bool
    created_at: datetime
    due_at: datetime | None = None
    baseline_label: str | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    human_label: str | None = None
    reviewer: str | None = None
    decided_at: datetime | None = None
    arm: Arm = Arm.CANDIDATE
    drawn: bool = False
    unit: int | None = None
    epoch: int = 0
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class EvidenceMark:
    """Where a stage's evidence stands; while it is the same, no answer and no verdict was added.

    last: number of the newest answer. open: sampled answers without a verdict. next_due: when the
    next of them is past due, which changes what it counts as.
    """

    last: int
    open: int
    next_due: datetime | None


class CheckKind(StrEnum):
    """How a reviewer's work can be checked."""

    GOLD = "gold"  # the truth was known before
    SECOND = "second"  # another person answered, too; only in what was kept of older promotions


@dataclass(frozen=True, slots=True)
class ReviewerCheck:
    """One piece of a reviewer's work that can be checked, since it was asked for.

    model_was_right: whether the model's answer is the known truth. agreed: whether the reviewer's
    label is. waiting: whether nobody has answered yet; one who does at `due_at` or later changes
    nothing any more.
    """

    kind: CheckKind
    model: str
    item_id: str
    reviewer: str
    agreed: bool
    at: datetime
    rollout_id: str | None = None
    model_was_right: bool | None = None
    waiting: bool = False
    due_at: datetime | None = None

    def open_at(self, now: datetime) -> bool:
        """Whether an answer may still come."""
        return self.waiting and (self.due_at is None or self.due_at > now)


@dataclass(frozen=True, slots=True)
class ReviewerTally:
    """How many checks there were, in the order in which they were asked for, and how they ended.

    Those behind the first that is open do not count yet. misses: gold items on which the model was
    wrong and the reviewer's label was not the truth either, or did not come in time, of
    `known_errors`. late: those that nobody answered in time.
    """

    gold: int = 0
    gold_wrong: int = 0
    known_errors: int = 0
    misses: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class DriftMeasurement:
    """One comparison of a window of live inputs with the version's reference."""

    model: str
    version: int
    window_from: datetime
    window_to: datetime
    rows: int
    alarm: bool
    sentence: str
    detail: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One entry of the append-only log; `hash` covers all else, the previous hash included."""

    sequence: int
    at: datetime
    actor: str
    action: str
    model: str
    version: int | None
    rollout_id: str | None
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the log ends: the number and the hash of its last event."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """An effect on another system that is still to happen."""

    id: int
    topic: str
    payload: Mapping[str, Any]
    attempts: int
    created_at: datetime
