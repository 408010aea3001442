"""From one request and what the versions said to everything that is written about it, at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from registry.domain.evidence import EvidenceRow
from registry.domain.exposure import Exposure
from registry.domain.plan import Late
from serving.domain.asked import Asked
from serving.domain.comparing import compared
from serving.domain.decide import Abstain, Answer, Hold, Outcome, StandIn, flag, withheld
from serving.domain.evidencing import doubled, evidence_rows, of_baseline, said_by
from serving.domain.exposing import UNTIMED, Timing, exposures
from serving.domain.failure import Failure
from serving.domain.prediction import (
    Code,
    DecidedBy,
    Fallback,
    Flag,
    Label,
    Prediction,
    RawPrediction,
    Status,
)
from serving.domain.review import (
    Item,
    drawn,
    on_trial,
    opinions_wanted,
    planting,
    presentation,
    queue_of,
    sort_key,
)
from serving.domain.routing import Assignment


@dataclass(frozen=True, slots=True)
class Record:
    """The rows of one request; they are stored in one transaction or not at all."""

    prediction: Prediction
    evidence: tuple[EvidenceRow, ...] = ()
    item: Item | None = None
    exposures: tuple[Exposure, ...] = ()


def record(
    asked: Asked,
    assignment: Assignment,
    outcome: Outcome,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure] | None = None,
    timing: Timing = UNTIMED,
) -> Record:
    """Everything to write about a request.

    `raws` holds what every version said that ran: the answering one and a stand-in; `failures` why
    the candidate said nothing; `timing` is the answering version's. Shadows come later.
    """
    failures = failures or {}
    subject = subject_of(assignment, raws)
    beside = compared(assignment)
    reasons, chance = review_of(assignment, outcome, subject, raws, beside=beside)
    if asked.wants_review:
        reasons, chance = _asked_for(reasons), 1.0
    sampled = chance > 0 and asked.random_number < chance
    prediction = _prediction(asked, assignment, outcome, raws, chance)
    item = item_of(asked, assignment, prediction, subject, reasons) if sampled else None
    evidence = (
        *evidence_rows(asked, assignment, raws, failures, chance, sampled),
        *(of_baseline(asked, assignment, raws, chance) if beside and sampled else ()),
    )
    return Record(
        prediction,
        doubled(evidence, item.opinions if item else 0),
        item,
        exposures(assignment, outcome, raws, failures, timing, asked.attributes, asked.now),
    )


def subject_of(assignment: Assignment, raws: Mapping[int, RawPrediction]) -> RawPrediction | None:
    """Whose answer a person judges: the candidate's if it ran, else the answering version's."""
    for version in (assignment.candidate, assignment.answering):
        if version is not None and version in raws:
            return raws[version]
    return None


def review_of(
    assignment: Assignment,
    outcome: Outcome,
    subject: RawPrediction | None,
    raws: Mapping[int, RawPrediction],
    *,
    beside: bool,
) -> tuple[tuple[Flag, ...], float]:
    """Why a person would look, and the chance that one does.

    beside: the baseline's answer is to be compared with the candidate's.
    """
    if isinstance(outcome, Hold):
        return outcome.reasons, 1.0
    rules, review = assignment.flags, assignment.review
    watched = assignment.watched.stage_plan.review if assignment.watched else None
    if subject is not None and subject.version == assignment.candidate and assignment.rollout:
        rules = assignment.rollout.plan.flags
    flags = flag(subject, rules) if subject else ()
    if flags:
        return flags, max(review.flagged, watched.flagged if watched else 0.0)
    mine = subject is not None and subject.version == assignment.candidate
    sample = 0.0
    if assignment.rollout is None or mine or beside:
        sample = review.sample
    if watched:  # also where a new rollout samples its own candidate only
        sample = max(sample, watched.sample)
    differs = _disagreement(assignment, subject, raws)
    if differs:
        return (differs,), max(review.flagged, sample)
    return ((drawn(),), sample) if sample else ((), 0.0)


def _asked_for(reasons: tuple[Flag, ...]) -> tuple[Flag, ...]:
    """The caller's wish, before what would have sent the request to a person anyway."""
    others = (reason for reason in reasons if reason.code is not Code.AUDIT)
    return (Flag(Code.ASKED, "the caller asked for a person's review"), *others)


def _disagreement(
    assignment: Assignment, subject: RawPrediction | None, raws: Mapping[int, RawPrediction]
) -> Flag | None:
    """That a shadow answers differently; without the labels, since a blind reviewer reads it."""
    answering = said_by(assignment.answering, raws)
    if subject is None or answering is None or subject.label == answering.label:
        return None
    names = f"version {subject.version} and baseline version {answering.version}"
    return Flag(Code.DISAGREEMENT, f"{names} give different answers")


def _prediction(
    asked: Asked,
    assignment: Assignment,
    outcome: Outcome,
    raws: Mapping[int, RawPrediction],
    chance: float,
) -> Prediction:
    held = isinstance(outcome, Hold)
    ran = said_by(assignment.answering, raws)
    label, decided_by = _told(assignment, outcome, raws)
    late, fallback = _fallback(assignment, raws) if held else (None, None)
    due = asked.now + timedelta(seconds=assignment.review.due_seconds)
    return Prediction(
        id=asked.prediction_id,
        model=assignment.model,
        version=outcome.version if isinstance(outcome, StandIn) else assignment.answering,
        candidate=assignment.candidate,
        rollout_id=assignment.rollout.id if assignment.rollout else None,
        stage=assignment.stage,
        reason=assignment.reason,
        attributes=asked.attributes,
        payload_digest=asked.payload_digest,
        payload_type=asked.payload_type,
        status=Status.HELD if held else Status.FINAL,
        model_answer=ran.as_label() if ran else None,
        fallback=fallback,
        answer=label,
        decided_by=decided_by,
        flags=outcome.reasons if isinstance(outcome, Hold) else outcome.flags,
        p_value=ran.p_value if ran else None,
        threshold=assignment.flags.out_of_domain,
        random_number=asked.random_number,
        inclusion_probability=chance,
        due_at=due if held else None,
        late=late,
        idempotency_key=asked.idempotency_key,
        request_digest=asked.request_digest,
        created_at=asked.now,
        final_at=None if held else asked.now,
    )


def _told(
    assignment: Assignment, outcome: Outcome, raws: Mapping[int, RawPrediction]
) -> tuple[Label | None, DecidedBy | None]:
    """What the caller is told, and whose answer it is."""
    if isinstance(outcome, Answer):
        mine = assignment.rollout is None or assignment.answering == assignment.candidate
        return outcome.raw.as_label(), DecidedBy.MODEL if mine else DecidedBy.BASELINE
    if isinstance(outcome, StandIn):
        return raws[outcome.version].as_label(), DecidedBy.BASELINE
    if isinstance(outcome, Abstain):
        return Label(None), DecidedBy.FALLBACK
    return None, None


def _fallback(assignment: Assignment, raws: Mapping[int, RawPrediction]) -> tuple[Late, Fallback]:
    """What a late review leads to.

    An answer that is not there, or that a flag keeps back, leads to an abstention.
    """
    late = assignment.review.late
    baseline, mine = said_by(assignment.fallback, raws), said_by(assignment.answering, raws)
    if late is Late.BASELINE and baseline:
        return late, Fallback(baseline.as_label(), baseline.version, DecidedBy.BASELINE)
    if late is Late.MODEL_ANSWER and mine and not withheld(mine, assignment.flags):
        return late, Fallback(mine.as_label(), mine.version, DecidedBy.MODEL)
    return Late.ABSTAIN, Fallback(Label(None), assignment.answering, DecidedBy.FALLBACK)


def item_of(
    asked: Asked,
    assignment: Assignment,
    prediction: Prediction,
    subject: RawPrediction | None,
    reasons: tuple[Flag, ...],
) -> Item:
    """The question to a person about a request; `subject` is what they judge."""
    due = asked.now + timedelta(seconds=assignment.review.due_seconds)
    held = prediction.status is Status.HELD
    rollout, review, queue = assignment.rollout, assignment.review, queue_of(reasons, held=held)
    how = presentation(review, queue, asked.presentation_number)
    trial = on_trial(review, how, asked.gold_number)
    return Item(
        id=asked.item_id,
        prediction_id=asked.prediction_id,
        model=assignment.model,
        version=subject.version if subject else None,
        stage=rollout.stage if rollout else assignment.stage,
        reasons=reasons,
        labels=subject.labels if subject else assignment.labels,
        several=subject.threshold is not None if subject else assignment.several,
        model_answer=subject.as_label() if subject else None,
        presentation=trial or how,
        payload_digest=asked.payload_digest,
        payload_type=asked.payload_type,
        queue=queue,
        sort_key=sort_key(reasons, due, asked.random_number, held=held, waiting=asked.waiting),
        random_number=asked.random_number,
        inclusion_probability=prediction.inclusion_probability,
        due_at=due,
        created_at=asked.now,
        opinions=opinions_wanted(review, reasons, trial=trial is not None),
        plants=planting(review, asked.gold_id, reasons)
        if asked.gold_number < review.gold
        else None,
    )
