"""Read a certificate from a file and judge its promotions again, a line at a time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

from registry.documents.certificate import Record, answers_record, head_record, line
from registry.documents.certificate_lines import Lines, open_lines, reading
from registry.documents.evidence_record import Answer, answer_of, answer_record, canonical, drift_of
from registry.documents.exposure_record import exposures_of, exposures_record, form_of
from registry.documents.log_record import LogHash, Snapshot, Stood, surroundings_of
from registry.documents.plan_record import plan_digest, plan_from_document
from registry.domain.certificate import FoundLog, Promotion, judge_again, promotions_of
from registry.domain.evidence import AuditEvent, AuditHead
from registry.domain.evidence_log import EvidenceLog
from registry.domain.exposure import ExposureTable, joined
from registry.domain.retrace import Broken, Certificate, Changed, Elided
from registry.domain.rollout import Rollout


def read_certificate(file: BinaryIO) -> tuple[Certificate, tuple[Promotion, ...]]:
    """What the file says, every gate recomputed; Broken if it was edited or holds anything else."""
    lines = open_lines(file)
    with reading():
        certificate = _head(lines)
        logs = _logs(lines, certificate)
        return certificate, judge_again(certificate, logs)


def head_of(file: BinaryIO) -> Certificate:
    """What happened, as the file says; nothing of it is judged again."""
    with reading():
        return _head(open_lines(file))


def _head(lines: Lines) -> Certificate:
    (record,) = lines.take("format")
    audit, plan = record["audit"], plan_from_document(record["plan"])
    certificate = Certificate(
        plan=plan,
        plan_digest=plan_digest(plan),
        before=audit["before"],
        events=tuple(event_of(one) for one in audit["events"]),
        head=AuditHead(audit["head"]["sequence"], audit["head"]["hash"]),
    )
    promotions_of(certificate)
    again = {**head_record(certificate), "format": record["format"]}
    for name in {*again, *record}:
        if canonical(again.get(name)) != canonical(record.get(name)):
            raise Broken(f"the part `{name}` of the file does not agree with the others")
    return certificate


def event_of(record: Record) -> AuditEvent | Elided:
    """The event that the file describes."""
    if "content" in record:
        return Elided(record["sequence"], record["content"])
    return AuditEvent(**{**record, "at": datetime.fromisoformat(record["at"])})


class _LogAgain:
    """The evidence of one promotion, as its rows come by."""

    def __init__(self, number: int, before: Rollout, snapshot: Snapshot) -> None:
        self.number, self.stage = number, before.stage.value
        self._given = line(snapshot)
        self._small = {name: snapshot[name] for name in ("checks", "drift", "traffic")}
        drift = snapshot["drift"]
        self._log = EvidenceLog.start(before, None if drift is None else drift_of(drift))
        self._stood, self._hashed = Stood(snapshot), LogHash()

    @property
    def form(self) -> int | None:
        """In which form its exposures were hashed; None if it looked at none."""
        return None if self._small["traffic"] is None else form_of(self._small)

    def take(self, rows: Sequence[Answer]) -> set[int]:
        """Those of the next rows that it rests on; gives their numbers."""
        answers = self._stood.take(rows)
        self._log = self._log.after(answers)
        self._hashed.add(answers)
        return {answer.id for answer in answers}

    def found(self, exposures: ExposureTable | None) -> tuple[FoundLog, int]:
        """All of it, and how many exposures it rests on."""
        if self._stood.missing is not None:
            raise Changed(
                f"the evidence of event {self.number} is no longer what was judged: answer "
                f"{self._stood.missing} is missing"
            )
        around = surroundings_of(self._small, exposures)
        snapshot = self._hashed.snapshot(around)
        if line(snapshot) != self._given:
            raise Broken(
                f"the part `promotions` of the file, event {self.number}, does not agree with the "
                "others"
            )
        seen = 0 if around.traffic is None else len(around.traffic.exposures)
        return FoundLog(self._hashed.digest(around, snapshot), self._log, around), seen


def _logs(lines: Lines, certificate: Certificate) -> Mapping[int, FoundLog]:
    again = _snapshots(lines, certificate)
    exposures = _exposures(lines)
    _answers(lines, again)
    lines.end()
    logs, seen = {}, dict.fromkeys(exposures, -1)
    for one in again:
        table = None if one.form is None else exposures.get(one.stage)
        logs[one.number], count = one.found(table)
        if table is not None:
            seen[one.stage] = max(seen[one.stage], count)
    for stage, count in seen.items():
        if count != len(exposures[stage]):
            raise Broken(f"the file holds exposures of {stage} that no promotion was judged on")
    return logs


def _snapshots(lines: Lines, certificate: Certificate) -> list[_LogAgain]:
    places, found, numbers = promotions_of(certificate), [], []
    for record in lines.take("promotion"):
        _only(record, "promotion")
        snapshot = dict(record["promotion"])
        number = snapshot.pop("sequence")
        numbers.append(number)
        if number in places:
            found.append(_LogAgain(number, places[number][1], snapshot))
    if numbers != sorted(places):
        raise Broken(
            f"there is evidence for the events {numbers}, and the promotions are the events "
            f"{sorted(places)}"
        )
    return found


def _exposures(lines: Lines) -> Mapping[str, ExposureTable]:
    parts: dict[str, list[ExposureTable]] = {}
    for record in lines.take("exposures"):
        _only(record, "exposures", "rows")
        rows = record["rows"]
        table = exposures_of(rows)
        if canonical(exposures_record(table, 2 if "epochs" in rows else 1)) != canonical(rows):
            raise Broken("the part `exposures` of the file is not written as certificates are")
        parts.setdefault(record["exposures"], []).append(table)
    return {stage: joined(tables) for stage, tables in parts.items()}


def _answers(lines: Lines, again: Sequence[_LogAgain]) -> None:
    for record in lines.take("answers"):
        stage, rows = record["answers"], record["rows"]
        numbers: set[int] = set()
        for one in again:
            if one.stage == stage:
                numbers |= one.take(rows)
        same = [answer_record(answer_of(row, 0, 0, 0, None)) for row in rows]
        mine = any(one.stage == stage for one in again)
        if (
            not mine
            or len(numbers) != len(rows)
            or line(answers_record(stage, same)) != line(record)
        ):
            raise Broken(f"the part `answers` of {stage} does not agree with the others")


def _only(record: Record, *parts: str) -> None:
    if set(record) != set(parts):
        raise Broken(f"a line with `{parts[0]}` holds more than that")
