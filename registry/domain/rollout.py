"""A rollout: one candidate version on its way through the plan's stages."""

from dataclasses import dataclass
from datetime import datetime

from registry.domain.plan import Plan, StagePlan
from registry.domain.stages import ACTIVE, Stage


@dataclass(frozen=True, slots=True)
class Pause:
    """Who stopped a rollout from going on, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of a rollout; every change raises `generation` by one.

    watched_until: how long the version is judged after it became live; None without a watch, or
    when the watch is over. baseline_generation: since which generation the baseline is the present
    one; 0 if it always was.
    """

    id: str
    model: str
    version: int
    version_digest: str
    baseline: int | None
    plan: Plan
    plan_digest: str
    salt: str
    stage: Stage
    step: int
    generation: int
    started_by: str
    started_at: datetime
    stage_since: datetime
    step_since: datetime
    paused: Pause | None = None
    ended_at: datetime | None = None
    watched_until: datetime | None = None
    baseline_generation: int = 0

    @property
    def active(self) -> bool:
        """Whether the version is still a candidate."""
        return self.stage in ACTIVE

    @property
    def watched(self) -> bool:
        """Whether the version is live and harm still takes it back."""
        return self.stage is Stage.LIVE and self.watched_until is not None

    @property
    def stage_plan(self) -> StagePlan:
        """The plan of the stage that the rollout is in."""
        return self.plan.stage(self.stage)

    @property
    def weight(self) -> float:
        """Share of the units that the candidate answers, in percent."""
        if self.stage is Stage.LIVE:
            return 100.0
        if self.stage is not Stage.GRADUAL:
            return 0.0
        return self.stage_plan.steps[self.step].weight
