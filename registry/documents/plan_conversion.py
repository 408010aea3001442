"""From the document of a plan file to the plan as the domain knows it."""

from collections.abc import Sequence

from registry.documents.gate_schema import GateDocument, options
from registry.documents.plan_schema import (
    ActiveStageDocument,
    AreaDocument,
    DeadlineDocument,
    GradualDocument,
    LimitedScopeDocument,
    LiveDocument,
    PlanDocument,
    ReviewDocument,
    ScopeDocument,
    WindowDocument,
)
from registry.domain.plan import (
    Advance,
    Answers,
    Area,
    Deadline,
    DeadlineThen,
    Defaults,
    FailedThen,
    FlaggedThen,
    Flags,
    Freeze,
    GateSpec,
    Late,
    Plan,
    Review,
    Scope,
    StagePlan,
    Step,
    TimeWindow,
)
from registry.domain.region import Region
from registry.domain.stages import Stage
from registry.domain.watching import watched_gates

_DAY = 86_400.0


def plan_of(document: PlanDocument) -> Plan:
    """The plan that a valid document describes; it always ends in live."""
    before = tuple(_stage(part) for part in document.stages if not isinstance(part, LiveDocument))
    last = document.stages[-1]
    live = last if isinstance(last, LiveDocument) else LiveDocument(stage="live")
    flags = document.flags
    return Plan(
        model=document.model.name,
        version=document.model.version,
        baseline=document.model.baseline,
        stages=(*before, _live(live, before[-1])),
        unit=document.unit,
        segments=tuple(document.segments),
        defaults=Defaults(document.defaults.confidence, document.defaults.rollback_confidence),
        flags=Flags(flags.out_of_domain, flags.min_confidence, FlaggedThen(flags.then)),
        visit_seconds=_visit(document),
        freezes=tuple(Freeze(one.first, one.to, one.timezone) for one in document.freezes),
    )


def _visit(document: PlanDocument) -> float:
    """Without a unit nobody knows who visits."""
    if document.unit is None:
        return 0.0
    return _DAY if document.visit is None else document.visit


def _live(part: LiveDocument, before: StagePlan) -> StagePlan:
    """Under watch those gates of the stage before go on judging that still can, and drift."""
    if part.watch is None:
        review = _review(part.review, default_sample=0.0) if part.review else Review()
        return StagePlan(Stage.LIVE, review=review)
    sample = before.review.sample
    return StagePlan(
        Stage.LIVE,
        review=_review(part.review, default_sample=sample) if part.review else before.review,
        gates=watched_gates(before.gates),
        watch_seconds=part.watch,
    )


def _stage(part: ActiveStageDocument) -> StagePlan:
    stage = Stage(part.stage)
    advance = part.advance
    scope, answers = Scope(), Answers.IMMEDIATELY
    steps: tuple[Step, ...] = ()
    everything = stage is Stage.MANUAL_REVIEW
    if isinstance(part, LimitedScopeDocument):
        scope, answers = _scope(part.scope), Answers(part.answers)
        everything = answers is Answers.AFTER_APPROVAL
    elif isinstance(part, GradualDocument):
        steps = tuple(Step(step.weight, step.bake) for step in part.steps)
    return StagePlan(
        stage=stage,
        review=_review(part.review, default_sample=1.0 if everything else 0.0),
        gates=tuple(_gate(gate) for gate in part.gates),
        advance=Advance(
            advance.after, advance.approvals, advance.automatic, _windows(advance.when)
        ),
        deadline=_deadline(part.deadline),
        scope=scope,
        answers=answers,
        steps=steps,
    )


def _review(document: ReviewDocument, default_sample: float) -> Review:
    return Review(
        sample=default_sample if document.sample is None else document.sample,
        flagged=document.flagged,
        blind=document.blind,
        shown=document.shown,
        opinions={str(reason): number for reason, number in document.opinions.items()},
        gold=document.gold,
        bias_at_most=document.bias_at_most,
        due_seconds=document.due,
        late=Late(document.late),
    )


def _gate(document: GateDocument) -> GateSpec:
    then = FailedThen(document.then)
    return GateSpec(document.type, options(document), document.dry_run, then)


def _deadline(document: DeadlineDocument | None) -> Deadline | None:
    if document is None:
        return None
    return Deadline(document.after, DeadlineThen(document.then))


def _scope(document: ScopeDocument) -> Scope:
    return Scope(
        where={name: tuple(values) for name, values in document.where.items()},
        area=_area(document.area),
        when=_windows(document.when),
        until=document.until,
        at_most_per_day=document.at_most,
    )


def _windows(documents: Sequence[WindowDocument]) -> tuple[TimeWindow, ...]:
    return tuple(
        TimeWindow(frozenset(window.days), window.start, window.to, window.timezone)
        for window in documents
    )


def _area(document: AreaDocument | None) -> Area | Region | None:
    if document is None or document.latitude is None or document.longitude is None:
        return document.geojson if document else None
    south, north = document.latitude
    west, east = document.longitude
    return Area((south, north), (west, east))
