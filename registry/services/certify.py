"""Certify a rollout: gather what every promotion was judged on, and check it before it goes out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from registry.documents.certificate import (
    Record,
    answers_record,
    harm_record,
    head_record,
    snapshot_record,
    some_exposures_record,
    write_records,
)
from registry.documents.certificate_reading import read_certificate
from registry.documents.evidence_record import answer_record
from registry.documents.exposure_record import until_of
from registry.documents.log_record import Snapshot, unpack
from registry.documents.sight_record import settled_record, sight_of
from registry.domain.audit_chain import GENESIS, content_digest
from registry.domain.errors import Conflict, NotFound, StageConflict
from registry.domain.evidence import AuditEvent
from registry.domain.evidence_log import LoggedAnswer
from registry.domain.exposure import ExposureTable
from registry.domain.retrace import PROMOTIONS, Certificate, Changed, Elided, found_harm
from registry.domain.rollout import Rollout
from registry.domain.sight import Sight
from registry.domain.stages import Stage
from registry.domain.traffic import traffic_by_segment
from registry.ports import UnitOfWork
from registry.services.find import latest

Seen = Callable[[ExposureTable], npt.NDArray[np.bool_]]
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_BEHIND = "the database was changed behind the program's back"


def certify(unit: UnitOfWork, model: str, file: BinaryIO, version: int | None = None) -> None:
    """Write the certificate of a version's last rollout, as a stream, to an empty file.

    Conflict if nothing in it was promoted yet, or if its evidence was changed since.
    """
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
    certificate = Certificate(
        plan=rollout.plan,
        plan_digest=rollout.plan_digest,
        before=own[0].previous_hash or GENESIS,
        events=_segment(unit, rollout, own[0].sequence),
        head=head,
    )
    harms = [event for event in own if found_harm(event)]
    evidence = _evidence(unit, rollout, promotions, harms)
    write_records(file, chain([head_record(certificate)], evidence))
    try:
        read_certificate(file)
    except Changed as error:
        raise Conflict(f"{error}; {_BEHIND}") from error
    file.seek(0)


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


def _evidence(
    unit: UnitOfWork,
    rollout: Rollout,
    promotions: Sequence[AuditEvent],
    harms: Sequence[AuditEvent],
) -> Iterator[Record]:
    """What was judged: how it stood each time, and the rows of each stage."""
    ids: dict[Stage, list[npt.NDArray[np.int64]]] = {}
    seen: dict[Stage, list[Seen]] = {}
    for event in promotions:
        stage, snapshot = Stage(event.detail["from"]["stage"]), _kept(unit, event)
        ids.setdefault(stage, []).append(np.array(snapshot["ids"], np.int64))
        until = until_of(snapshot)
        if until is not None:
            seen.setdefault(stage, []).append(partial(_up_to, until.timestamp()))
        yield snapshot_record(event.sequence, snapshot)
    for event in harms:
        stage, record = Stage(event.detail["from"]["stage"]), _kept(unit, event)
        sight = sight_of(record)
        settled = settled_record(_settled(unit, rollout, stage, sight))
        ids.setdefault(stage, []).append(np.array(settled["ids"], np.int64))
        ids[stage].append(sight.answers.others)
        if sight.exposures is not None:
            seen.setdefault(stage, []).append(sight.seen)
        yield harm_record(event.sequence, record, settled)
    yield from _rows(unit, rollout, ids, seen)


def _rows(
    unit: UnitOfWork,
    rollout: Rollout,
    ids: Mapping[Stage, Sequence[npt.NDArray[np.int64]]],
    seen: Mapping[Stage, Sequence[Seen]],
) -> Iterator[Record]:
    """The exposures and answers of each stage, once however often they were judged."""
    for stage, whiches in seen.items():
        names = _segments(rollout, stage)
        tables = unit.exposures.portions(rollout.id, stage, _EVER, names)
        for number, table in enumerate(tables):
            mine = np.logical_or.reduce([which(table) for which in whiches])
            if mine.any() or not number:
                yield some_exposures_record(stage, table.where(mine))
    for stage, numbers in ids.items():
        wanted = np.unique(np.concatenate(numbers))
        for some in unit.evidence_logs.portions(rollout.id, stage, _EVER):
            here = np.isin([answer.id for answer in some], wanted)
            rows = [answer_record(a) for a, is_in in zip(some, here, strict=True) if is_in]
            if rows:
                yield answers_record(stage, rows)


def _up_to(until: float, table: ExposureTable) -> npt.NDArray[np.bool_]:
    return table.created <= until


def _settled(
    unit: UnitOfWork, rollout: Rollout, stage: Stage, sight: Sight
) -> Iterator[LoggedAnswer]:
    """The answers that nothing could change any more when somebody looked, as they stood."""
    for some in unit.evidence_logs.portions(rollout.id, stage, sight.at):
        for answer in some:
            if answer.id > sight.answers.settled:
                return
            yield answer


def _kept(unit: UnitOfWork, event: AuditEvent) -> Snapshot:
    digest = event.detail["log"]["digest"]
    content = unit.evidence_logs.kept(digest)
    if content is None:
        raise Conflict(f"what event {event.sequence} was judged on ({digest}) is gone; {_BEHIND}")
    return unpack(content)
