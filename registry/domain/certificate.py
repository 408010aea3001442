"""A certificate: what a version was promoted on, and whether that holds by itself."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.approvers import objection_to
from registry.domain.audit_chain import content_digest, link
from registry.domain.decision import Judgement, Promote, gate_record, judge
from registry.domain.evidence import AuditEvent, AuditHead
from registry.domain.evidence_log import EvidenceLog, Surroundings
from registry.domain.formulas import why_not_again
from registry.domain.gates import Judged
from registry.domain.retrace import (
    PROMOTIONS,
    Broken,
    Certificate,
    Changed,
    Elided,
    found_harm,
    place_of,
    retrace,
)
from registry.domain.rollout import Rollout
from registry.domain.segmented_traffic import SegmentedTraffic
from registry.domain.sight import Sight
from registry.domain.transitions import Place


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion that was judged again: where it led, and what its gates said."""

    event: AuditEvent
    before: Rollout
    judgement: Judgement
    answers: int

    @property
    def overridden(self) -> bool:
        """Whether a person promoted although something was missing."""
        return self.event.action == "overridden"


@dataclass(frozen=True, slots=True)
class FoundLog:
    """The evidence of one event, as it was found in a certificate."""

    digest: str
    log: EvidenceLog
    around: Surroundings


@dataclass(frozen=True, slots=True)
class FoundSight:
    """What a look that found harm had before it, as it was found in a certificate.

    traffic: the counts of the exposures; None if no gate looked at any.
    """

    digest: str
    sight: Sight
    log: EvidenceLog
    traffic: SegmentedTraffic | None


@dataclass(frozen=True, slots=True)
class Harm:
    """That harm was found, judged again, on so many answers."""

    event: AuditEvent
    answers: int


def promotions_of(certificate: Certificate) -> Mapping[int, tuple[AuditEvent, Rollout]]:
    """The events that promoted, by number, each with the rollout before it; Broken at a gap."""
    _follow_chain(certificate)
    found = {
        event.sequence: (event, before)
        for event, before in retrace(certificate)
        if event.action in PROMOTIONS
    }
    if not found:
        raise Broken("nothing was promoted, so there is nothing to certify")
    return found


def harms_of(certificate: Certificate) -> Mapping[int, tuple[AuditEvent, Rollout]]:
    """The events that took it back for harm, where it was kept what showed that."""
    changes = retrace(certificate)
    return {event.sequence: (event, before) for event, before in changes if found_harm(event)}


def judge_harm_again(event: AuditEvent, before: Rollout, found: FoundSight) -> Harm:
    """What showed harm, each gate recomputed; Broken says what does not fit."""
    number, judged = event.sequence, event.detail["log"]
    _check_formulas(event, before)
    if found.digest != judged["digest"]:
        raise Changed(
            f"the evidence of event {number} is no longer what was judged: it has the digest "
            f"{found.digest}, and {judged['digest']} was judged"
        )
    sight = found.sight
    gates = found.log.judge_on(sight.reviewers, found.traffic, sight.at)
    _check_gates(event, gates)
    harm = [gate for gate in gates if gate.harm]
    reason = "; ".join(gate.result.sentence for gate in harm)
    if not harm or event.detail["reason"] != reason:
        raise Broken(f"event {number} says that harm was found, and its gates say: “{reason}”")
    return Harm(event, found.log.rows)


def judge_again(
    certificate: Certificate, logs: Mapping[int, Callable[[], FoundLog]]
) -> tuple[Promotion, ...]:
    """Every promotion, each gate recomputed from its log; Broken says what does not fit.

    logs: by the number of the event, what finds its log; one at a time, since each may be large.
    """
    return tuple(
        _again(certificate, event, before, logs[number]())
        for number, (event, before) in promotions_of(certificate).items()
    )


def check_head(certificate: Certificate, expected: str) -> str:
    """That the log in the certificate leads over this hash, which somebody kept; else Broken."""
    hash_, first = certificate.before, certificate.started.sequence
    if hash_ == expected:
        return _met(first - 1)
    for number, event in enumerate(certificate.events, start=first):
        hash_ = _next_hash(hash_, event)
        if hash_ == expected:
            return _met(number)
    raise Broken(
        f"the audit log in this file does not lead over {expected}: it is another log, it was "
        "rewritten, or that event is older than this rollout or newer than this file"
    )


def _met(number: int) -> str:
    return f"The audit log in this file leads over the hash that you kept, of event {number}."


def _follow_chain(certificate: Certificate) -> None:
    hash_ = certificate.before
    first = last = certificate.started.sequence
    for last, event in enumerate(certificate.events, start=first):
        if event.sequence != last:
            raise Broken(f"event {last} of the audit log is missing or out of its place")
        hash_ = _next_hash(hash_, event)
    if AuditHead(last, hash_) != certificate.head:
        raise Broken(f"the events lead to {hash_}, and the log is said to end in another event")


def _next_hash(before: str, event: AuditEvent | Elided) -> str:
    if isinstance(event, Elided):
        return link(before, event.content)
    if event.previous_hash != before:
        raise Broken(f"event {event.sequence} does not follow the event before it")
    if event.hash != link(before, content_digest(event)):
        raise Broken(f"event {event.sequence} was changed after it was written")
    return event.hash


def _again(
    certificate: Certificate, event: AuditEvent, before: Rollout, found: FoundLog
) -> Promotion:
    number, judged = event.sequence, event.detail["log"]
    _check_formulas(event, before)
    if found.digest != judged["digest"]:
        raise Changed(
            f"the evidence of event {number} is no longer what was judged: it has the digest "
            f"{found.digest}, and {judged['digest']} was judged"
        )
    gates = found.log.judge(found.around, event.at)
    _check_gates(event, gates)
    approvals = tuple(event.detail["approvals"])
    judgement = judge(before, gates, approvals, event.at)
    if judgement.evidence_digest != event.detail["evidence_digest"]:
        raise Broken(f"event {number} names another evidence than its gates give")
    _check_approvals(certificate, event, before, found.log.verdicts)
    _check_decision(event, judgement)
    return Promotion(event, before, judgement, found.log.rows)


def _check_formulas(event: AuditEvent, before: Rollout) -> None:
    gates = (gate.type for gate in before.stage_plan.gates)
    why_not = why_not_again(event.detail["log"], gates)
    if why_not:
        raise Broken(f"event {event.sequence} cannot be judged again: {why_not}")


def _check_gates(event: AuditEvent, gates: Sequence[Judged]) -> None:
    told = event.detail["gates"]
    for recorded, again in zip(told, gates, strict=False):
        found = json.loads(json.dumps(gate_record(again)))
        if recorded != found:
            raise Broken(
                f"event {event.sequence} records of the gate {again.type}: “"
                f"{recorded.get('sentence')}”, and its evidence gives: “{found['sentence']}” with "
                f"{_difference(recorded.get('numbers') or {}, found['numbers'])}"
            )
    if len(told) != len(gates):
        raise Broken(
            f"event {event.sequence} records {len(told)} verdicts of gates, and the plan's gates "
            f"give {len(gates)}"
        )


def _difference(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    for name in found:
        if recorded.get(name) != found[name]:
            return f"{name} {found[name]} instead of {recorded.get(name)}"
    return "the same numbers"


def _check_approvals(
    certificate: Certificate, event: AuditEvent, before: Rollout, verdicts: Mapping[str, int]
) -> None:
    author = certificate.started.detail["author"]
    for actor in event.detail["approvals"]:
        objection = objection_to(before, actor, author, verdicts)
        if objection:
            raise Broken(
                f"event {event.sequence} counts an approval that does not count: {objection}"
            )
        if not any(_approves(other, event, actor, before) for other in certificate.own):
            raise Broken(
                f"event {event.sequence} counts an approval of {actor}, of which there is no event"
            )


def _approves(other: AuditEvent, event: AuditEvent, actor: str, before: Rollout) -> bool:
    if other.action != "approved" or other.actor != actor or other.sequence > event.sequence:
        return False
    seen = (other.detail["evidence_digest"], place_of(other.detail))
    return seen == (event.detail["evidence_digest"], Place(before.stage, before.step))


def _check_decision(event: AuditEvent, judgement: Judgement) -> None:
    decision = judgement.decision
    unmet = [] if isinstance(decision, Promote) else list(decision.reasons)
    if event.action == "overridden":
        if event.detail["unmet"] != unmet or not event.detail["reason"].strip():
            raise Broken(f"event {event.sequence} hides what was missing when it was overridden")
        return
    if not isinstance(decision, Promote):
        raise Broken(f"event {event.sequence} promoted without evidence: {'; '.join(unmet)}")
    if place_of(event.detail["to"]) != decision.to:
        raise Broken(
            f"event {event.sequence} promoted to {event.detail['to']['stage']}, and the plan leads "
            f"to {decision.to.stage}"
        )
