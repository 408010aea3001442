"""Gates: from the evidence of a stage to a verdict with its numbers and one sentence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from registry.domain.evidence import DriftMeasurement, ReviewerTally
from registry.domain.plan import Defaults, FailedThen, GateSpec
from registry.domain.running import Answers
from registry.domain.segments import Segment
from registry.domain.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Passed:
    """The evidence suffices."""

    verdict: ClassVar[str] = "passed"
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The evidence shows harm."""

    verdict: ClassVar[str] = "failed"
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """There is not enough evidence yet; silence holds."""

    verdict: ClassVar[str] = "inconclusive"
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stale:
    """The evidence comes from a domain that the inputs have left."""

    verdict: ClassVar[str] = "stale"
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


Result = Passed | Failed | Inconclusive | Stale


@dataclass(frozen=True, slots=True)
class Judged:
    """What one gate says, about everything or about one segment; a dry run decides nothing.

    then: what happens if it says that there is harm. order: which gate of the stage it is, from 1.
    """

    type: str
    result: Result
    segment: Segment | None = None
    dry_run: bool = False
    then: FailedThen = FailedThen.ROLL_BACK
    order: int = 1

    def cause(self, where: str) -> str:
        """What tells its finding from all others of the rollout, so that people hear of it once."""
        shifted = None if self.doubt else self.result.numbers.get("shifted_since")
        if shifted is not None:
            return f"drift since {shifted}"
        which = f"{self.type} {self.segment or ''}".strip()
        return f"gate {self.order}, {which}: {self.result.verdict} {where}"

    @property
    def harm(self) -> bool:
        """Whether this takes the version back."""
        return self._decides_that_it_fails and self.then is FailedThen.ROLL_BACK

    @property
    def doubt(self) -> bool:
        """Whether this has a person look at the version."""
        return self._decides_that_it_fails and self.then is FailedThen.PAUSE

    @property
    def _decides_that_it_fails(self) -> bool:
        return isinstance(self.result, Failed) and not self.dry_run


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that gates may look at.

    answers: the candidate's in this stage. drift: the newest measurement since the stage began.
    compared: how many inputs of this stage it has seen, counted up to a sufficient number.
    inclusion: the plan's smallest probability of review. step: the present step of gradual, None
    in other stages. weights: the shares of its steps in percent, none in other stages. reviewers:
    how their own work was checked since the rollout began. traffic: the requests of this stage
    that were drawn for an arm. baseline: whether a version answers for the other arm. alone:
    whether this version answers everything, under watch. traffic_of: `traffic` in each segment.
    tests: how many tests harm is sought in at once, so that it takes E >= tests / alpha.
    """

    answers: Answers
    drift: DriftMeasurement | None
    defaults: Defaults
    now: datetime
    compared: int = 0
    inclusion: float = 1.0
    step: int | None = None
    weights: tuple[float, ...] = ()
    reviewers: ReviewerTally = field(default_factory=ReviewerTally)
    traffic: Traffic = field(default_factory=Traffic)
    baseline: bool = False
    alone: bool = False
    traffic_of: Mapping[str, Mapping[Segment, Traffic]] = field(default_factory=dict)
    tests: int = 1


Gate = Callable[[GateSpec, Evidence], tuple[Judged, ...]]
