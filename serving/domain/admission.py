"""From one request and what the versions said to everything that is written about it, at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from registry.domain.evidence import Arm, EvidenceRow, Second, Verdict
from registry.domain.exposure import Exposure
from registry.domain.plan import Late
from registry.domain.rollout import Rollout
from serving.domain.comparing import compared, drawn_by_chance
from serving.domain.decide import Abstain, Answer, Hold, Outcome, StandIn, flag, withheld
from serving.domain.exposing import UNTIMED, Timing, exposures
from serving.domain.failure import FAILED, Failure
from serving.domain.prediction import (
    Code,
    DecidedBy,
    Fallback,
    Flag,
    Label,
    Prediction,
    RawPrediction,
    ShadowRecord,
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
from serving.domain.routing import Assignment, unit_hash, unit_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent, with the identities and random numbers that it was given."""

    prediction_id: str
    item_id: str
    payload_digest: str
    payload_type: str
    attributes: Mapping[str, object]
    idempotency_key: str | None
    request_digest: str
    waiting: bool
    random_number: float
    presentation_number: float
    now: datetime
    gold_number: float = 1.0
    gold_id: str = ""
    wants_review: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """The rows of one request; they are stored in one transaction or not at all."""

    prediction: Prediction
    shadows: tuple[ShadowRecord, ...] = ()
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

    `raws` holds what every version said that ran: the answering one, the shadows, and a stand-in;
    `failures` why the candidate said nothing; `timing` is the answering version's.
    """
    failures = failures or {}
    subject = _subject(assignment, raws)
    beside = compared(assignment)
    reasons, chance = _review(assignment, outcome, subject, raws, beside=beside)
    if asked.wants_review:
        reasons, chance = _asked_for(reasons), 1.0
    sampled = chance > 0 and asked.random_number < chance
    prediction = _prediction(asked, assignment, outcome, raws, chance)
    item = _item(asked, assignment, prediction, subject, reasons) if sampled else None
    evidence = (
        *_evidence(asked, assignment, raws, failures, chance, sampled),
        *(_of_baseline(asked, assignment, raws, chance) if beside and sampled else ()),
    )
    if item is not None and item.opinions > 1:
        evidence = tuple(
            replace(row, second=None if row.verdict else Second.WANTED) for row in evidence
        )
    return Record(
        prediction,
        _shadows(asked, assignment, raws, failures),
        evidence,
        item,
        exposures(assignment, outcome, raws, failures, timing, asked.attributes, asked.now),
    )


def _subject(assignment: Assignment, raws: Mapping[int, RawPrediction]) -> RawPrediction | None:
    """Whose answer a person judges: the candidate's if it ran, else the answering version's."""
    for version in (assignment.candidate, assignment.answering):
        if version is not None and version in raws:
            return raws[version]
    return None


def _of(version: int | None, raws: Mapping[int, RawPrediction]) -> RawPrediction | None:
    return None if version is None else raws.get(version)


def _review(
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
    answering = _of(assignment.answering, raws)
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
    ran = _of(assignment.answering, raws)
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
    baseline, mine = _of(assignment.fallback, raws), _of(assignment.answering, raws)
    if late is Late.BASELINE and baseline:
        return late, Fallback(baseline.as_label(), baseline.version, DecidedBy.BASELINE)
    if late is Late.MODEL_ANSWER and mine and not withheld(mine, assignment.flags):
        return late, Fallback(mine.as_label(), mine.version, DecidedBy.MODEL)
    return Late.ABSTAIN, Fallback(Label(None), assignment.answering, DecidedBy.FALLBACK)


def _item(
    asked: Asked,
    assignment: Assignment,
    prediction: Prediction,
    subject: RawPrediction | None,
    reasons: tuple[Flag, ...],
) -> Item:
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
        plants=planting(review, asked.gold_id) if asked.gold_number < review.gold else None,
    )


def _shadows(
    asked: Asked,
    assignment: Assignment,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
) -> tuple[ShadowRecord, ...]:
    name, now = asked.prediction_id, asked.now
    said = (raws[version] for version in assignment.shadows if version in raws)
    silent = (version for version in assignment.shadows if version in failures)
    return (
        *(ShadowRecord(name, r.version, r.as_label(), r.p_value, now) for r in said),
        *(ShadowRecord(name, v, None, None, now, failures[v].reason) for v in silent),
    )


def _evidence(
    asked: Asked,
    assignment: Assignment,
    raws: Mapping[int, RawPrediction],
    failures: Mapping[int, Failure],
    chance: float,
    sampled: bool,
) -> tuple[EvidenceRow, ...]:
    """One row for each rollout whose version gave an answer that it would be allowed to give.

    A candidate's failure is an error that nobody needs to look for, so its chance of being found
    is 1.
    """
    rows = []
    for rollout, version in _judged(assignment):
        said, failure = _of(version, raws), failures.get(version)
        failed = failure is not None and failure.counts
        if not failed and (said is None or withheld(said, rollout.plan.flags)):
            continue
        label = said.label if said else FAILED
        row = _row(asked, assignment, rollout, version, label)
        looked_at = replace(
            row,
            inclusion_probability=1.0 if failed else chance,
            sampled=failed or sampled,
            due_at=row.due_at if sampled and not failed else None,
            verdict=Verdict.ERROR if failed else None,
        )
        baseline = _of(rollout.baseline, raws)
        rows.append(replace(looked_at, baseline_label=baseline.label if baseline else None))
    return tuple(rows)


def _of_baseline(
    asked: Asked, assignment: Assignment, raws: Mapping[int, RawPrediction], chance: float
) -> tuple[EvidenceRow, ...]:
    """The answer of the baseline, if chance alone had it reviewed and it goes out."""
    rollout, said = assignment.rollout, _of(assignment.answering, raws)
    if rollout is None or said is None or withheld(said, assignment.flags):
        return ()
    row = _row(asked, assignment, rollout, said.version, said.label)
    if not row.drawn:
        return ()
    return (replace(row, arm=Arm.BASELINE, inclusion_probability=chance),)


def _judged(assignment: Assignment) -> Iterator[tuple[Rollout, int]]:
    """The rollouts that this request says something about, with the version of each."""
    if assignment.rollout is not None and assignment.candidate is not None:
        yield assignment.rollout, assignment.candidate
    if assignment.watched is not None:
        yield assignment.watched, assignment.watched.version


def _row(
    asked: Asked, assignment: Assignment, rollout: Rollout, version: int, label: str
) -> EvidenceRow:
    names, unit = rollout.plan.segments, unit_of(rollout, asked.attributes)
    return EvidenceRow(
        rollout_id=rollout.id,
        stage=rollout.stage,
        step=rollout.step,
        prediction_id=asked.prediction_id,
        version=version,
        model_label=label,
        inclusion_probability=1.0,
        sampled=True,
        created_at=asked.now,
        due_at=asked.now + timedelta(seconds=assignment.review.due_seconds),
        segments={k: str(asked.attributes[k]) for k in names if k in asked.attributes},
        drawn=drawn_by_chance(asked.random_number, assignment.review),
        unit=None if unit is None else unit_hash(rollout.salt, unit),
        epoch=rollout.generation,
    )
