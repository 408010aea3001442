"""Which version may answer a request: one immutable snapshot of all routes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from hashlib import blake2b

from registry.domain.errors import NotFound, Unavailable
from registry.domain.evidence import Arm
from registry.domain.plan import Answers, FlaggedThen, Flags, Review, StagePlan
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from serving.domain import scope as scopes

PARTS = 10**6  # resolution of a weight: one unit in a million


_REPORTED = Flags(out_of_domain=0.01, then=FlaggedThen.REVIEW)
_NOT_REVIEWED = Review(flagged=0.0)


@dataclass(frozen=True, slots=True)
class Policy:
    """How one version's answers are flagged and reviewed when no rollout says otherwise.

    Without any plan flags are reported to the caller and change nothing.
    watched: the rollout that made the version live, while its answers are still evidence.
    """

    flags: Flags = _REPORTED
    review: Review = _NOT_REVIEWED
    watched: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Who may answer for one model.

    labels: for requests that only a person can answer; several: whether an answer may have several
    of them. previous: the version that an undo returns
    to; it stays loaded, so that it answers at once. ended: where nothing answers, what became of
    the version that did.
    """

    model: str
    live: int | None = None
    rollout: Rollout | None = None
    labels: tuple[str, ...] = ()
    policies: Mapping[int, Policy] = field(default_factory=dict)
    previous: int | None = None
    ended: str = ""
    several: bool = False

    @property
    def versions(self) -> frozenset[int]:
        """Every version that this route can call, or could after a rollback."""
        others = (self.rollout.version if self.rollout else None, self.previous)
        return self.trusted | {version for version in others if version is not None}

    @property
    def trusted(self) -> frozenset[int]:
        """Those of them that answer where the candidate does not."""
        named = (self.live, self.rollout.baseline if self.rollout else None)
        return frozenset(version for version in named if version is not None)

    def policy(self, version: int | None) -> Policy:
        """How a version's answers are flagged and reviewed outside its rollout."""
        return self.policies.get(version, Policy()) if version is not None else Policy()


@dataclass(frozen=True, slots=True)
class Quota:
    """Room for `limit` requests a day that the assignment must find before it holds."""

    rollout_id: str
    day: date
    limit: int


@dataclass(frozen=True, slots=True)
class Lot:
    """The arm that a request's unit is in, by lot or because it is inside the scope.

    unit: the salted hash of its name, from which its place in the lot follows.
    """

    arm: Arm
    unit: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """The outcome of routing one request.

    answering: the version whose answer may reach the caller, None when only a person can answer.
    stage: the stage of that version, or of the rollout that sends the request to a person.
    reason: a sentence that names the rule.
    hold: why a person must answer whatever the version says.
    shadows: versions that also run and drive nothing.
    fallback: the version that stands in when a flag or a late review asks for the baseline.
    quota, when_full: a count that must have room, and what applies when it has none.
    watched: the rollout that made the answering version live, while harm still takes it back.
    lot: set where the request is one that arms are compared by.
    """

    model: str
    answering: int | None
    stage: Stage
    reason: str
    flags: Flags
    review: Review
    labels: tuple[str, ...]
    hold: str | None = None
    shadows: tuple[int, ...] = ()
    fallback: int | None = None
    rollout: Rollout | None = None
    quota: Quota | None = None
    when_full: "Assignment | None" = None
    watched: Rollout | None = None
    lot: Lot | None = None
    several: bool = False

    @property
    def candidate(self) -> int | None:
        """The rollout's version, if this request runs it."""
        if self.rollout is None:
            return None
        runs = (self.answering, *self.shadows)
        return self.rollout.version if self.rollout.version in runs else None


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """All routes of one moment; replaced whole, never changed."""

    clock: int
    routes: Mapping[str, Route]

    def assign(self, model: str, attributes: Mapping[str, object], now: datetime) -> Assignment:
        """Route a request; NotFound for an unknown model, Unavailable if no version answers."""
        route = self.routes.get(model)
        if route is None:
            known = ", ".join(sorted(self.routes)) or "none yet"
            raise NotFound(
                f"There is no model {model!r}; registered models: {known}. "
                "Register one with `stagegate model register`."
            )
        return assign(route, attributes, now)


def assign(route: Route, attributes: Mapping[str, object], now: datetime) -> Assignment:
    """Route a request by the rule of the rollout's stage, else to the live version."""
    rollout = route.rollout
    if rollout is None:
        return _live(route)
    if rollout.stage is Stage.MANUAL_REVIEW:
        return _manual_review(route, rollout)
    if rollout.stage is Stage.LIMITED_SCOPE:
        return _limited_scope(route, rollout, attributes, now)
    if rollout.stage is Stage.GRADUAL:
        return _gradual(route, rollout, attributes)
    return _live(route)


def in_share(salt: str, unit: str, weight: float) -> bool:
    """Whether a unit is among the first `weight` percent.

    A unit's place depends on nothing but the salt, so a larger weight only adds units.
    """
    return place(unit_hash(salt, unit)) < weight * (PARTS // 100)


def unit_hash(salt: str, unit: str) -> int:
    """A unit in 64 bits with a sign, as databases keep them."""
    digest = blake2b(f"{salt}|{unit}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def place(hashed: int) -> int:
    """Where a unit stands among the millionths of the traffic."""
    return hashed % 2**64 % PARTS


def _live(route: Route) -> Assignment:
    if route.live is None:
        why = f"No version of {route.model} answers yet"
        if route.ended:
            why = f"No version of {route.model} answers: {route.ended}, and no other is live"
        raise Unavailable(f"{why}; start a rollout of one with `stagegate rollout start PLAN`.")
    policy = route.policy(route.live)
    return Assignment(
        route.model,
        route.live,
        Stage.LIVE,
        f"no rollout is active, so live version {route.live} answers",
        policy.flags,
        policy.review,
        route.labels,
        watched=policy.watched,
        several=route.several,
    )


def _manual_review(route: Route, rollout: Rollout) -> Assignment:
    if rollout.baseline is not None:
        name = f"version {rollout.version} is in manual review and runs in shadow"
        return replace(_baseline(route, rollout, name), shadows=(rollout.version,))
    return _candidate(
        route,
        rollout,
        f"version {rollout.version} is in manual review",
        hold=f"version {rollout.version} is in manual review and there is no baseline: "
        "a person answers every request",
    )


def _limited_scope(
    route: Route, rollout: Rollout, attributes: Mapping[str, object], now: datetime
) -> Assignment:
    part = rollout.stage_plan
    if objection := scopes.outside(part.scope, attributes, now):
        return _not_candidate(route, rollout, f"outside the limited scope: {objection}")
    why = scopes.admitting(part.scope, attributes, now)
    inside = _in_scope(route, rollout, part, attributes, why)
    limit = part.scope.at_most_per_day
    if limit is None:
        return inside
    full = f"outside the limited scope: it has admitted its {limit} requests of the day"
    day = scopes.local_day(part.scope, now)
    return replace(
        inside,
        quota=Quota(rollout.id, day, limit),
        when_full=_not_candidate(route, rollout, full),
    )


def _in_scope(
    route: Route, rollout: Rollout, part: StagePlan, attributes: Mapping[str, object], why: str
) -> Assignment:
    reason = f"inside the limited scope of version {rollout.version}: {why}"
    held = f"version {rollout.version} is in limited scope and answers after approval"
    hold = None if part.answers is Answers.IMMEDIATELY else held
    inside, unit = _candidate(route, rollout, reason, hold=hold), unit_of(rollout, attributes)
    if unit is None:
        return inside
    return replace(inside, lot=Lot(Arm.CANDIDATE, unit_hash(rollout.salt, unit)))


def unit_of(rollout: Rollout, attributes: Mapping[str, object]) -> str | None:
    """The unit that a request names; an empty one is none."""
    found = attributes.get(rollout.plan.unit) if rollout.plan.unit else None
    return None if found is None or found == "" else str(found)


def _gradual(route: Route, rollout: Rollout, attributes: Mapping[str, object]) -> Assignment:
    name, unit = rollout.plan.unit, unit_of(rollout, attributes)
    if unit is None:
        missing = f"the request has no {name}" if name else "the plan names no unit"
        return _not_candidate(route, rollout, f"{missing}, so it sticks to no version")
    share = f"the {rollout.weight:g} % of version {rollout.version}"
    hashed = unit_hash(rollout.salt, unit)
    if in_share(rollout.salt, unit, rollout.weight):
        mine = _candidate(route, rollout, f"{name} {unit} is among {share}")
        return replace(mine, lot=Lot(Arm.CANDIDATE, hashed))
    other = _not_candidate(route, rollout, f"{name} {unit} is not among {share}")
    return replace(other, lot=Lot(Arm.BASELINE, hashed))


def _candidate(
    route: Route, rollout: Rollout, reason: str, *, hold: str | None = None
) -> Assignment:
    return Assignment(
        route.model,
        rollout.version,
        rollout.stage,
        reason,
        rollout.plan.flags,
        rollout.stage_plan.review,
        route.labels,
        hold=hold,
        fallback=rollout.baseline,
        rollout=rollout,
        several=route.several,
    )


def _not_candidate(route: Route, rollout: Rollout, reason: str) -> Assignment:
    if rollout.baseline is not None:
        return _baseline(route, rollout, reason)
    held = f"{reason}; there is no baseline, so a person answers"
    nobody = _candidate(route, rollout, held, hold=held)
    return replace(nobody, answering=None)


def _baseline(route: Route, rollout: Rollout, reason: str) -> Assignment:
    """The baseline answers under its own flags; the rollout's review is for the candidate."""
    policy = route.policy(rollout.baseline)
    return Assignment(
        route.model,
        rollout.baseline,
        Stage.LIVE if rollout.baseline == route.live else Stage.RETAINED,
        f"{reason}; baseline version {rollout.baseline} answers",
        policy.flags,
        rollout.stage_plan.review,
        route.labels,
        rollout=rollout,
        watched=policy.watched,
        several=route.several,
    )
