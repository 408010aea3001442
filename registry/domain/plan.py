"""A rollout plan as values: stages, who may be answered, what is reviewed, which gates decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum

from registry.domain.region import Region
from registry.domain.stages import Stage


class Late(StrEnum):
    """What answers a held request that nobody reviewed in time."""

    BASELINE = "baseline"
    ABSTAIN = "abstain"
    MODEL_ANSWER = "model-answer"


class FlaggedThen(StrEnum):
    """What happens to a request with a flag."""

    HOLD = "hold"  # a person answers
    REVIEW = "review"  # the model answers, a person looks at it later
    BASELINE = "baseline"  # the baseline answers
    ABSTAIN = "abstain"  # nobody answers: a final response without a label


class DeadlineThen(StrEnum):
    """What a stage does when its deadline passes."""

    HOLD = "hold"
    ROLL_BACK = "roll-back"


class Answers(StrEnum):
    """Whether the candidate's answers go out at once or after a person's verdict."""

    IMMEDIATELY = "immediately"
    AFTER_APPROVAL = "after-approval"


@dataclass(frozen=True, slots=True)
class Defaults:
    """Confidence of promotions and of automatic rollbacks."""

    confidence: float = 0.95
    rollback_confidence: float = 0.99


@dataclass(frozen=True, slots=True)
class Flags:
    """When a single request is flagged, and what then. None switches a flag off."""

    out_of_domain: float | None = None
    min_confidence: float | None = None
    then: FlaggedThen = FlaggedThen.HOLD


@dataclass(frozen=True, slots=True)
class Review:
    """Which answers a person looks at.

    sample: inclusion probability of an unflagged answer. flagged: of a flagged one.
    blind: share presented without the model's answer; shown: with it from the start; the others
    show it after the reviewer's own. opinions: how many people must agree, by the code of the
    reason. gold: share of the items that plant a test of the reviewers. bias_at_most: how much more
    of the model's errors may be accepted when its answer is shown than when it is not.
    due_seconds: time for the verdict.
    """

    sample: float = 0.0
    flagged: float = 1.0
    blind: float = 0.0
    shown: float = 0.0
    opinions: Mapping[str, int] = field(default_factory=dict)
    gold: float = 0.0
    bias_at_most: float = 0.1
    due_seconds: float = 86_400.0
    late: Late = Late.ABSTAIN


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Days (0 is Monday) and local hours; an end before the start runs past midnight."""

    days: frozenset[int]
    start: time
    end: time
    timezone: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days on which nothing is promoted, both included, by the calendar of a time zone."""

    first: date
    last: date
    timezone: str


@dataclass(frozen=True, slots=True)
class Area:
    """A box of latitudes and longitudes in degrees, ends included.

    From a western longitude to a smaller eastern one it crosses the antimeridian.
    """

    latitude: tuple[float, float]
    longitude: tuple[float, float]

    def __str__(self) -> str:
        (south, north), (west, east) = self.latitude, self.longitude
        return f"{south:g} to {north:g} north, {west:g} to {east:g} east"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which requests the candidate may answer in limited scope; every rule must admit."""

    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    area: Area | Region | None = None
    when: tuple[TimeWindow, ...] = ()
    until: date | None = None
    at_most_per_day: int | None = None


class FailedThen(StrEnum):
    """What a gate does that shows harm."""

    ROLL_BACK = "roll-back"
    PAUSE = "pause"  # a person decides


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A gate as the plan names it; `options` are its remaining keys."""

    type: str
    options: Mapping[str, object] = field(default_factory=dict)
    dry_run: bool = False
    then: FailedThen = FailedThen.ROLL_BACK


@dataclass(frozen=True, slots=True)
class Advance:
    """What besides passing gates a promotion out of a stage needs.

    when: the only times at which anything is promoted, steps included; always if there are none.
    """

    after_seconds: float = 0.0
    approvals: int = 0
    automatic: bool = False
    when: tuple[TimeWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a stage gives up, and how."""

    after_seconds: float
    then: DeadlineThen


@dataclass(frozen=True, slots=True)
class Step:
    """A share of the traffic, in percent, and how long to watch it."""

    weight: float
    bake_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of the plan.

    steps: only in gradual. scope: only in limited-scope. watch_seconds: only in live, how long
    harm still takes the version back.
    """

    stage: Stage
    review: Review = Review()
    gates: tuple[GateSpec, ...] = ()
    advance: Advance = Advance()
    deadline: Deadline | None = None
    scope: Scope = Scope()
    answers: Answers = Answers.IMMEDIATELY
    steps: tuple[Step, ...] = ()
    watch_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan.

    baseline: "live", "none" or a version number as text. visit_seconds: how long answers to a unit
    hang together, so that verdicts on all of them count once; 0: every answer counts by itself.
    freezes: days on which nothing is promoted, whatever the stage.
    """

    model: str
    version: int
    baseline: str
    stages: tuple[StagePlan, ...]
    unit: str | None = None
    segments: tuple[str, ...] = ()
    defaults: Defaults = Defaults()
    flags: Flags = Flags()
    visit_seconds: float = 0.0
    freezes: tuple[Freeze, ...] = ()

    def stage(self, stage: Stage) -> StagePlan:
        """The plan of one stage; KeyError if the plan does not have it."""
        for part in self.stages:
            if part.stage is stage:
                return part
        raise KeyError(stage)
