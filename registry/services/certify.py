"""Certify a rollout: gather what every promotion was judged on, and check it before it goes out."""

from registry.documents.certificate import certificate_document, certificate_of
from registry.documents.evidence_record import answer_record, log_digest, log_of, unpack
from registry.documents.exposure_record import until_of
from registry.domain.audit_chain import GENESIS, content_digest
from registry.domain.errors import Conflict, NotFound, StageConflict
from registry.domain.evidence import AuditEvent
from registry.domain.evidence_log import EvidenceLog
from registry.domain.retrace import PROMOTIONS, Certificate, Elided
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.traffic import traffic_by_segment
from registry.ports import UnitOfWork
from registry.services.find import latest

Document = dict[str, object]


def certify(unit: UnitOfWork, model: str, version: int | None = None) -> Document:
    """The certificate of a version's last rollout; Conflict if nothing in it was promoted yet."""
    rollout = _rollout(unit, model, version)
    name = f"{model}@{rollout.version}"
    own = unit.audit.read(model, rollout_id=rollout.id)
    promotions = [event for event in own if event.action in PROMOTIONS]
    if not promotions:
        over = (
            ""
            if rollout.active
            else (f"; why it is {rollout.stage.words}: `stagegate rollout history {model}`")
        )
        raise StageConflict(f"{name} was not promoted yet, so there is nothing to certify{over}")
    head = unit.audit.head()
    if head is None:
        raise Conflict("the audit log does not know its own end; run `stagegate audit verify`")
    rows: dict[str, dict[int, list[object]]] = {}
    logs = {event.sequence: _log(unit, rollout, event, rows) for event in promotions}
    certificate = Certificate(
        plan=rollout.plan,
        plan_digest=rollout.plan_digest,
        before=own[0].previous_hash or GENESIS,
        events=_segment(unit, rollout, own[0].sequence),
        head=head,
        logs=logs,
        log_digests={number: log_digest(log) for number, log in logs.items()},
    )
    document = certificate_document(certificate)
    certificate_of(document)
    return document


def _rollout(unit: UnitOfWork, model: str, version: int | None) -> Rollout:
    if version is None:
        return latest(unit, model)
    found = unit.rollouts.of_version(model, version)
    if found is None:
        raise NotFound(f"{model}@{version} never had a rollout")
    return found


def _segment(unit: UnitOfWork, rollout: Rollout, first: int) -> tuple[AuditEvent | Elided, ...]:
    """The log from the rollout's start to its end, without what is none of its business."""
    return tuple(
        event if event.rollout_id == rollout.id else Elided(event.sequence, content_digest(event))
        for event in unit.audit.read(since=first)
    )


def _segments(rollout: Rollout, stage: Stage) -> tuple[str, ...]:
    """The attributes by which gates of a stage looked at the traffic."""
    return rollout.plan.segments if traffic_by_segment(rollout.plan.stage(stage).gates) else ()


def _log(
    unit: UnitOfWork, rollout: Rollout, event: AuditEvent, rows: dict[str, dict[int, list[object]]]
) -> EvidenceLog:
    """What a promotion was judged on; Conflict if a row of it was changed since."""
    digest, stage = event.detail["log"]["digest"], event.detail["from"]["stage"]
    content = unit.evidence_logs.kept(digest)
    changed = (
        f"the evidence of event {event.sequence} is no longer what was judged ({digest}); the "
        "database was changed behind the program's back"
    )
    if content is None:
        raise Conflict(changed)
    if stage not in rows:
        answers = unit.evidence_logs.read(rollout.id, Stage(stage), event.at)
        rows[stage] = {answer.id: answer_record(answer) for answer in answers}
    try:
        snapshot = unpack(content)
        until = until_of(snapshot)
        seen = None
        if until is not None:
            names = _segments(rollout, Stage(stage))
            seen = unit.exposures.until(rollout.id, Stage(stage), until, names)
        log = log_of(rows[stage], snapshot, seen)
    except KeyError as error:
        raise Conflict(changed) from error
    if log_digest(log) != digest:
        raise Conflict(changed)
    return log
