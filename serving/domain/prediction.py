"""What one version says about one input, and the lasting record of one request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from registry.domain.plan import Late
from registry.domain.several import named, places, surest
from registry.domain.stages import Stage


class Status(StrEnum):
    """Where a request stands; a held one waits for a person."""

    FINAL = "final"
    HELD = "held"
    CANCELLED = "cancelled"


class DecidedBy(StrEnum):
    """Whose answer the caller was given."""

    MODEL = "model"
    HUMAN = "human"
    BASELINE = "baseline"
    FALLBACK = "fallback"


class Code(StrEnum):
    """Why a request was flagged, held or sent to a person."""

    OUT_OF_DOMAIN = "out-of-domain"
    LOW_CONFIDENCE = "low-confidence"
    FAILED = "model-failed"  # the version gave no answer
    SUPERVISED = "supervised"  # the stage lets no answer out without a person
    NO_VERSION = "no-version"  # no version may answer this request
    AUDIT = "audit"  # drawn at random
    DISAGREEMENT = "shadow-disagreement"  # candidate and baseline answered differently
    ASKED = "asked"  # by the caller


@dataclass(frozen=True, slots=True)
class Flag:
    """A reason that a program can compare and a person can read."""

    code: Code
    reason: str


@dataclass(frozen=True, slots=True)
class Label:
    """An answer: a label of the model, or None where no label fits or nobody answered.

    A person gives no probabilities. index: the label's place, or the places of several, which
    `prediction` tells together (registry.domain.several).
    """

    prediction: str | None
    index: int | tuple[int, ...] | None = None
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class RawPrediction:
    """What a version's graph and scorer gave for one input, before any rule has looked at it.

    p_value: how usual the input is among the training data, None without a scorer.
    domain_reason: the scorer's sentence on it. threshold: the answer is every label above it; None
    where it is one label.
    """

    version: int
    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    p_value: float | None = None
    domain_reason: str = ""
    threshold: float | None = None

    @property
    def index(self) -> int | tuple[int, ...]:
        """The class with the largest probability, the first of them on a tie; or all that apply."""
        if self.threshold is not None:
            return places(self.probabilities, self.threshold)
        return self.probabilities.index(max(self.probabilities))

    @property
    def label(self) -> str:
        """The label of that class, or of all that apply."""
        return named(self.labels, self.probabilities, self.threshold)

    @property
    def confidence(self) -> float:
        """The probability of that answer; of several labels that of the least sure one."""
        if self.threshold is not None:
            return surest(self.probabilities, self.threshold)
        return max(self.probabilities)

    def as_label(self) -> Label:
        """The answer that this prediction would give."""
        by_label = dict(zip(self.labels, self.probabilities, strict=True))
        return Label(self.label, self.index, by_label)


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """What a version said without driving any action; no response can be made from one.

    failure: why it said nothing.
    """

    prediction_id: str
    version: int
    said: Label | None
    p_value: float | None
    created_at: datetime
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """What the caller of a held request is told when nobody answers in time, and whose that is."""

    label: Label
    version: int | None
    decided_by: DecidedBy


@dataclass(frozen=True, slots=True)
class Prediction:
    """One request and what became of it.

    model_answer is hidden from the caller while the request is held; fallback is settled at
    admission like all else that is drawn or known then: random_number and inclusion_probability
    are written before any review.
    """

    id: str
    model: str
    version: int | None
    candidate: int | None
    rollout_id: str | None
    stage: Stage
    reason: str
    attributes: Mapping[str, object]
    payload_digest: str
    payload_type: str
    status: Status
    model_answer: Label | None
    fallback: Fallback | None
    answer: Label | None
    decided_by: DecidedBy | None
    flags: tuple[Flag, ...]
    p_value: float | None
    threshold: float | None
    random_number: float
    inclusion_probability: float
    due_at: datetime | None
    late: Late | None
    idempotency_key: str | None
    request_digest: str
    created_at: datetime
    final_at: datetime | None
    amended: Label | None = None  # what a person said after a fallback had been told
    amended_at: datetime | None = None
