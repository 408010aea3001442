"""Read a certificate from a file and judge its promotions again, a line at a time."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from registry.documents.certificate import Record, answers_record, head_record, line
from registry.documents.certificate_lines import Lines, open_lines, reading
from registry.documents.evidence_record import (
    Answer,
    answer_of,
    answer_record,
    canonical,
    digest_of,
    drift_of,
)
from registry.documents.exposure_record import (
    ExposureHash,
    exposures_of,
    exposures_record,
    form_of,
    until_of,
)
from registry.documents.log_record import LogHash, Snapshot, Stood, surroundings_of
from registry.documents.plan_record import plan_digest, plan_from_document
from registry.documents.sight_record import SETTLED, sight_of, sight_record, stood_record
from registry.domain.assemble import traffic_of
from registry.domain.certificate import (
    FoundLog,
    FoundSight,
    Harm,
    Promotion,
    harms_of,
    judge_again,
    judge_harm_again,
    promotions_of,
)
from registry.domain.evidence import AuditEvent, AuditHead, DriftMeasurement
from registry.domain.evidence_log import EvidenceLog, LoggedAnswer, SettledTraffic
from registry.domain.exposure import ExposureTable
from registry.domain.retrace import Broken, Certificate, Changed, Elided
from registry.domain.rollout import Rollout

Verified = tuple[Certificate, tuple[Promotion, ...], tuple[Harm, ...]]


def read_certificate(file: BinaryIO) -> Verified:
    """What the file says, every gate recomputed; Broken if it was edited or holds anything else."""
    lines = open_lines(file)
    with reading():
        certificate = _head(lines)
        logs, harms = _promotions(lines, certificate), _harms(lines, certificate)
        _exposures(lines, (*logs, *harms))
        _answers(lines, (*logs, *harms))
        lines.end()
        found = {one.number: one.found for one in logs}
        return certificate, judge_again(certificate, found), tuple(one.judged() for one in harms)


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


class _Again(ABC):
    """The evidence of one event, as its rows come by."""

    def __init__(
        self, number: int, before: Rollout, drift: DriftMeasurement | None, stood: Stood
    ) -> None:
        self.number, self.stage = number, before.stage.value
        self._log, self._stood = EvidenceLog.start(before, drift), stood
        self._traffic = traffic_of(before)

    def take(self, rows: Sequence[Answer]) -> set[int]:
        """Those of the next rows that it rests on; gives their numbers."""
        return {answer.id for answer in self._took(rows)}

    def meet(self, table: ExposureTable) -> npt.NDArray[np.bool_]:
        """The next exposures of its stage; gives which of them it rests on."""
        mine = self._seen(table)
        self._met(table if mine.all() else table.where(mine))
        return mine

    @abstractmethod
    def _seen(self, table: ExposureTable) -> npt.NDArray[np.bool_]:
        """Which exposures of its stage it rests on."""

    def _met(self, rows: ExposureTable) -> None:
        self._traffic = self._traffic.after(rows)

    def _took(self, rows: Sequence[Answer]) -> Sequence[LoggedAnswer]:
        answers = self._stood.take(rows)
        self._log = self._log.after(answers)
        return answers

    def _all_came(self) -> None:
        if self._stood.missing is not None:
            raise Changed(
                f"the evidence of event {self.number} is no longer what was judged: answer "
                f"{self._stood.missing} is missing"
            )

    def _disagrees(self) -> Broken:
        return Broken(
            f"the part `promotions` of the file does not agree with the others: event {self.number}"
        )


class _LogAgain(_Again):
    """The evidence of a promotion."""

    def __init__(self, number: int, before: Rollout, snapshot: Snapshot) -> None:
        self._given = line(snapshot)
        self._small = {name: snapshot[name] for name in ("checks", "drift", "traffic")}
        drift = snapshot["drift"]
        drift = None if drift is None else drift_of(drift)
        super().__init__(number, before, drift, Stood(snapshot))
        self._hashed, self._exposures = LogHash(), ExposureHash(form_of(snapshot))

    def _took(self, rows: Sequence[Answer]) -> Sequence[LoggedAnswer]:
        answers = super()._took(rows)
        self._hashed.add(answers)
        return answers

    def _seen(self, table: ExposureTable) -> npt.NDArray[np.bool_]:
        until = until_of(self._small)
        return np.asarray(table.created <= (-np.inf if until is None else until.timestamp()))

    def _met(self, rows: ExposureTable) -> None:
        super()._met(rows)
        self._exposures.add(rows)

    def found(self) -> FoundLog:
        """All of it."""
        self._all_came()
        traffic, until = None, until_of(self._small)
        if until is not None:
            rows, form = self._traffic.rows, form_of(self._small)
            traffic = SettledTraffic(until, rows, self._traffic, form)
        around = surroundings_of(self._small, traffic)
        snapshot = self._hashed.snapshot(around)
        if line(snapshot) != self._given:
            raise self._disagrees()
        hashed = None if traffic is None else self._exposures
        return FoundLog(self._hashed.digest(snapshot, hashed), self._log, around)


class _SightAgain(_Again):
    """The evidence of harm."""

    def __init__(self, event: AuditEvent, before: Rollout, record: Record) -> None:
        self._event, self._before = event, before
        self._sight = sight_of(record["sight"])
        self._digest = digest_of(canonical(record["sight"]))
        settled = {name: record[name] for name in SETTLED}
        known = settled["ids"]
        same = canonical(
            {"sequence": event.sequence, "sight": sight_record(self._sight), **settled}
        )
        if same != canonical(record) or (known and known[-1] > self._sight.answers.settled):
            raise Broken(f"the part `harm` of the file does not agree: event {event.sequence}")
        super().__init__(
            event.sequence, before, self._sight.drift, Stood(stood_record(self._sight, settled))
        )

    def _seen(self, table: ExposureTable) -> npt.NDArray[np.bool_]:
        return self._sight.seen(table)

    def judged(self) -> Harm:
        """All of it, judged again."""
        self._all_came()
        traffic = None if self._sight.exposures is None else self._traffic
        found = FoundSight(self._digest, self._sight, self._log, traffic)
        return judge_harm_again(self._event, self._before, found)


def _promotions(lines: Lines, certificate: Certificate) -> list[_LogAgain]:
    places, found = promotions_of(certificate), []
    for number, record in _each(lines, "promotion", places):
        snapshot = {name: part for name, part in record.items() if name != "sequence"}
        found.append(_LogAgain(number, places[number][1], snapshot))
    return found


def _harms(lines: Lines, certificate: Certificate) -> list[_SightAgain]:
    places = harms_of(certificate)
    return [_SightAgain(*places[number], record) for number, record in _each(lines, "harm", places)]


def _each(lines: Lines, kind: str, events: Collection[int]) -> Iterator[tuple[int, Record]]:
    """The records of a kind: one for each of these events, in order."""
    left = sorted(events)
    for record in lines.take(kind):
        _only(record, kind)
        number = record[kind]["sequence"]
        if [number] != left[:1]:
            raise Broken(f"there is evidence for event {number}, and {_named(kind, left)}")
        yield left.pop(0), record[kind]
    if left:
        raise Broken(f"there is no evidence for an event, and {_named(kind, left)}")


def _named(kind: str, events: Sequence[int]) -> str:
    return f"the next {kind} is event {events[0]}" if events else f"there is no further {kind}"


def _exposures(lines: Lines, again: Sequence[_Again]) -> None:
    for record in lines.take("exposures"):
        _only(record, "exposures", "rows")
        stage, rows = record["exposures"], record["rows"]
        table = exposures_of(rows)
        if canonical(exposures_record(table, 2 if "epochs" in rows else 1)) != canonical(rows):
            raise Broken("the part `exposures` of the file is not written as certificates are")
        mine = [one.meet(table) for one in again if one.stage == stage]
        if not mine or not np.logical_or.reduce(mine).all():
            raise Broken(f"the file holds exposures of {stage} that nothing was judged on")


def _answers(lines: Lines, again: Sequence[_Again]) -> None:
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
