"""Promote a candidate: on evidence, or on a person's word that stays in the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.documents.exposure_record import ExposureHash
from registry.documents.log_record import LogHash, pack
from registry.documents.rollout_document import gate_documents
from registry.domain.decision import Judgement, Promote
from registry.domain.errors import GatesNotPassed, Invalid, StageConflict
from registry.domain.evidence_log import LATEST_FORM, EvidenceLog
from registry.domain.formulas import FORMULAS
from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.transitions import Command, Place, move, next_place
from registry.ports import UnitOfWork
from registry.services.find import check_generation, latest
from registry.services.judge import GateMemory, Looked, conclude, judge, surroundings
from registry.services.record import record


@dataclass(frozen=True, slots=True)
class Prepared(Looked):
    """What a promotion rests on: judged and packed before anybody is kept from writing.

    seen: what the audit log says of it; content: what is kept of it under its digest.
    """

    at: datetime
    seen: Mapping[str, Any]
    content: bytes


def prepare_if_ready(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory
) -> Looked:
    """The same if the running counts say that it may be promoted; else only what they say."""
    looked = Looked(rollout, judge(unit, rollout, now, memory))
    return prepare(unit, rollout, now) if _ready(looked) else looked


def prepare(unit: UnitOfWork, rollout: Rollout, now: datetime) -> Prepared:
    """Judge a rollout on exactly the rows that its certificate will hold; only reads."""
    exposures, hashed = ExposureHash(LATEST_FORM), LogHash()
    around = surroundings(unit, rollout, now, exposures.add)
    log = EvidenceLog.start(rollout, around.drift)
    for some in unit.evidence_logs.portions(rollout.id, rollout.stage, now):
        log = log.after(some)
        hashed.add(some)
    snapshot = hashed.snapshot(around)
    place = {"rows": log.rows, "frontier": log.frontier, "last": log.last}
    digest = hashed.digest(snapshot, None if around.traffic is None else exposures)
    seen = {"digest": digest, **place, "formulas": FORMULAS}
    judgement = conclude(unit, rollout, log.judge(around, now), now)
    return Prepared(rollout, judgement, now, seen, pack(snapshot))


def promote(
    unit: UnitOfWork,
    model: str,
    actor: str,
    now: datetime,
    expected_generation: int | None = None,
    to: str | None = None,
    override: bool = False,
    reason: str = "",
    seen: Looked | None = None,
) -> Rollout:
    """Go on to the next step or stage; refused with reasons while the evidence is missing.

    seen: what a look found just before, with what a promotion rests on if it found that all gates
    pass. If the rollout was changed since, it is judged anew.
    """
    unit.routing_clock.tick()  # first, as in `record`: others must not lock what this needs later
    rollout = latest(unit, model)
    check_generation(rollout, expected_generation)
    if not rollout.active:
        raise StageConflict(
            f"{model}@{rollout.version} is {rollout.stage.words} and no candidate; start a rollout "
            "of the version that is to be promoted"
        )
    if rollout.paused is not None:
        raise StageConflict(
            f"{model}@{rollout.version} is paused by {rollout.paused.by}: {rollout.paused.reason}; "
            "resume it first"
        )
    if override and not reason.strip():
        raise Invalid("an override needs a reason, which is kept in the audit log")
    target = _target(rollout, to)
    if seen is None or not seen.holds(rollout):
        seen = prepare(unit, rollout, now)
    elif not isinstance(seen, Prepared) and not _ready(seen) and not override:
        raise _refusal(rollout, target, seen.judgement)
    prepared = seen if isinstance(seen, Prepared) else prepare(unit, rollout, now)
    judgement = conclude(unit, rollout, prepared.judgement.gates, prepared.at)
    ready = isinstance(judgement.decision, Promote) and target == judgement.next
    if not ready and not override:
        raise _refusal(rollout, target, judgement)
    action = "promoted" if ready else "overridden"
    detail = {"reason": reason, "unmet": list(_unmet(judgement))}
    return _advance(unit, target, actor, action, detail, judgement, prepared)


def promote_by_itself(
    unit: UnitOfWork,
    rollout: Rollout,
    actor: str,
    now: datetime,
    detail: Mapping[str, Any],
    prepared: Prepared | None = None,
) -> Rollout | None:
    """Go on as the plan says without a person; None if the evidence does not suffice after all."""
    prepared = prepared or prepare(unit, rollout, now)
    judgement = conclude(unit, rollout, prepared.judgement.gates, prepared.at)
    if not isinstance(judgement.decision, Promote):
        return None
    target = judgement.decision.to
    return _advance(unit, target, actor, "promoted", detail, judgement, prepared)


def _advance(
    unit: UnitOfWork,
    target: Place,
    actor: str,
    action: str,
    detail: Mapping[str, Any],
    judgement: Judgement,
    prepared: Prepared,
) -> Rollout:
    """It happens at the moment that the evidence was judged at, by which it is judged again."""
    unit.evidence_logs.keep(prepared.seen["digest"], prepared.content)
    detail = {**summary(judgement), "log": prepared.seen, **detail}
    return advance(unit, prepared.rollout, target, actor, action, prepared.at, detail)


def advance(
    unit: UnitOfWork,
    rollout: Rollout,
    target: Place,
    actor: str,
    action: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> Rollout:
    """Move the candidate on; a version that becomes live takes over from the one before."""
    after = move(rollout, Command.PROMOTE, target, now)
    if after.stage is not Stage.LIVE:
        return record(unit, rollout, after, actor, action, now, detail)
    unit.routing_clock.tick()  # first, so that nobody else changes what is live meanwhile
    old = unit.rollouts.live(rollout.model)
    record(unit, rollout, after, actor, action, now, detail)
    _take_over(unit, old, after, actor, now)
    return after


def summary(judgement: Judgement) -> dict[str, Any]:
    """What the audit log keeps of a judgement: every number that the decision saw."""
    return {
        "gates": gate_documents(judgement.gates),
        "evidence_digest": judgement.evidence_digest,
        "approvals": list(judgement.approvals_given),
    }


def _ready(looked: Looked) -> bool:
    return isinstance(looked.judgement.decision, Promote)


def _target(rollout: Rollout, to: str | None) -> Place:
    following = next_place(rollout)
    if to is None or to == following.stage:
        return following
    stages = [part.stage.value for part in rollout.plan.stages]
    later = stages[stages.index(rollout.stage) + 1 :]
    if to not in later:
        raise StageConflict(
            f"{rollout.model}@{rollout.version} is in {rollout.stage.words}; from there it can go "
            f"to {', '.join(later)}, not to {to}"
        )
    return Place(Stage(to))


def _unmet(judgement: Judgement) -> tuple[str, ...]:
    decision = judgement.decision
    return () if isinstance(decision, Promote) else decision.reasons


def _refusal(rollout: Rollout, target: Place, judgement: Judgement) -> GatesNotPassed:
    skipped: tuple[str, ...] = ()
    if target != judgement.next:
        skipped = (
            f"going from {rollout.stage.words} to {target.stage.words} skips part of the plan; "
            "promote step by step, or override with a reason",
        )
    return GatesNotPassed((*skipped, *_unmet(judgement)))


def _take_over(
    unit: UnitOfWork, old: Rollout | None, successor: Rollout, actor: str, now: datetime
) -> None:
    if old is not None:
        retained = move(old, Command.RETAIN, Place(Stage.RETAINED, old.step), now)
        record(unit, old, retained, actor, "retained", now, {"successor": successor.version})
    version, previous = unit.live.get(successor.model)
    kept = previous if version == successor.version else version
    unit.live.put(successor.model, successor.version, kept, now)
