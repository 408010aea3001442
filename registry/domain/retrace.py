"""A rollout's way, followed event by event through a part of the audit log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.domain.errors import Invalid
from registry.domain.evidence import AuditEvent, AuditHead
from registry.domain.plan import Plan
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Place

PROMOTIONS = ("promoted", "overridden")


def found_harm(event: AuditEvent) -> bool:
    """Whether an event took a version back for harm, and what showed it was kept."""
    return event.detail.get("cause") == "harm" and "log" in event.detail


class Broken(Invalid):
    """The certificate does not hold; do not rely on it."""

    title = "Broken certificate"


class Changed(Broken):
    """The evidence in the certificate is not what was judged."""


@dataclass(frozen=True, slots=True)
class Elided:
    """An event that is another rollout's business: only what is needed to follow the chain."""

    sequence: int
    content: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """One rollout from its start to the end of the audit log.

    before: the hash of the event before the first one here.
    """

    plan: Plan
    plan_digest: str
    before: str
    events: tuple[AuditEvent | Elided, ...]
    head: AuditHead

    @property
    def own(self) -> tuple[AuditEvent, ...]:
        """The events of this rollout; the first one is its start."""
        return tuple(event for event in self.events if isinstance(event, AuditEvent))

    @property
    def started(self) -> AuditEvent:
        """The event that started the rollout; Broken without one."""
        first = next(iter(self.own), None)
        if first is None or first.action != "started":
            raise Broken("the events do not begin with the start of a rollout")
        return first


def retrace(certificate: Certificate) -> Iterator[tuple[AuditEvent, Rollout]]:
    """The changes of the rollout, each with the rollout as it was before; Broken at a gap."""
    rollout = _at_start(certificate)
    for event in certificate.own[1:]:
        if "generation" not in event.detail:
            continue
        _check_step(event, rollout, certificate)
        yield event, rollout
        rollout = _after(event, rollout)


def _at_start(certificate: Certificate) -> Rollout:
    event = certificate.started
    detail, to = event.detail, event.detail["to"]
    if detail["plan_digest"] != certificate.plan_digest:
        raise Broken(
            f"the plan has the digest {certificate.plan_digest}, and the rollout was started with "
            f"{detail['plan_digest']}"
        )
    return Rollout(
        id=str(event.rollout_id),
        model=event.model,
        version=int(str(event.version)),
        version_digest=detail["version_digest"],
        baseline=detail["baseline"],
        plan=certificate.plan,
        plan_digest=certificate.plan_digest,
        salt="",
        stage=Stage(to["stage"]),
        step=to["step"],
        generation=detail["generation"],
        started_by=event.actor,
        started_at=event.at,
        stage_since=event.at,
        step_since=event.at,
    )


def _check_step(event: AuditEvent, rollout: Rollout, certificate: Certificate) -> None:
    detail = event.detail
    told = (detail["generation"], detail["version_digest"], detail["plan_digest"])
    if told != (rollout.generation + 1, rollout.version_digest, certificate.plan_digest):
        raise Broken(f"event {event.sequence} is not the next change of this rollout")
    environment = certificate.started.detail["environment"]
    if detail.get("environment", environment) != environment:
        raise Broken(f"event {event.sequence} names another environment than the start")
    if place_of(detail["from"]) != Place(rollout.stage, rollout.step):
        raise Broken(
            f"event {event.sequence} says that the rollout was in {detail['from']['stage']}, and "
            f"the events before say {rollout.stage}"
        )


def _after(event: AuditEvent, rollout: Rollout) -> Rollout:
    to = place_of(event.detail["to"])
    entered = to.stage is not rollout.stage
    if event.action == "baseline-changed":
        generation = event.detail["generation"]
        now = event.detail["baseline"]
        rollout = replace(rollout, baseline=now, baseline_generation=generation)
    return replace(
        rollout,
        stage=to.stage,
        step=to.step,
        generation=event.detail["generation"],
        stage_since=event.at if entered else rollout.stage_since,
        step_since=event.at if entered or to.step != rollout.step else rollout.step_since,
    )


def place_of(detail: Mapping[str, Any]) -> Place:
    """The place that an event names."""
    return Place(Stage(detail["stage"]), detail["step"])
