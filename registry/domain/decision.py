"""From verdicts to what happens: promote only on evidence, hold on silence, roll back on harm."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from registry.domain.evidence import CLOCKS_DIFFER
from registry.domain.gates import Inconclusive, Judged, Passed, Stale
from registry.domain.plan import FailedThen
from registry.domain.rollout import Rollout
from registry.domain.segments import Segment
from registry.domain.time_windows import until_open, until_thawed
from registry.domain.transitions import Place, next_place

_LARGEST_LOG = 700.0  # of a number that a float can hold


@dataclass(frozen=True, slots=True)
class Promote:
    """Every gate passes and every condition is met."""

    action: ClassVar[str] = "promote"
    to: Place
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Something is still missing; the reasons say what."""

    action: ClassVar[str] = "hold"
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollBack:
    """A gate shows harm."""

    action: ClassVar[str] = "roll-back"
    reasons: tuple[str, ...]


Decision = Promote | Hold | RollBack


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that can be said about a rollout at one moment.

    waits_for_people: the evidence suffices, and an approval or a person's promotion is all that
    is missing.
    """

    decision: Decision
    gates: tuple[Judged, ...] = ()
    next: Place | None = None
    evidence_digest: str = ""
    approvals_needed: int = 0
    approvals_given: tuple[str, ...] = ()
    waits_for_people: bool = False

    @property
    def stale(self) -> tuple[Judged, ...]:
        """Gates that say that the evidence is stale."""
        return tuple(g for g in self.gates if isinstance(g.result, Stale) and not g.dry_run)

    @property
    def doubtful(self) -> tuple[Judged, ...]:
        """Gates that show harm and leave it to a person what to do."""
        return tuple(gate for gate in self.gates if gate.doubt)

    @property
    def e_values(self) -> Mapping[str, float]:
        """How much evidence each type of gate has for promotion, in its weakest segment.

        Only gates that bet have any: drift is never evidence to promote.
        """
        logs: dict[str, float] = {}
        for gate in self.gates:
            found = gate.result.numbers.get("log_e_pass")
            if found is not None:
                logs[gate.type] = min(found, logs.get(gate.type, found))
        return {name: math.exp(min(log, _LARGEST_LOG)) for name, log in logs.items()}


def decide(target: Place, gates: Sequence[Judged], missing: Sequence[str] = ()) -> Decision:
    """Promote only on evidence: harm rolls back, anything missing holds."""
    deciding = [gate.result for gate in gates if not gate.dry_run]
    harm = tuple(gate.result.sentence for gate in gates if gate.harm)
    doubt = tuple(gate.result.sentence for gate in gates if gate.doubt)
    silent = tuple(r.sentence for r in deciding if isinstance(r, Inconclusive | Stale))
    if harm:
        return RollBack(harm)
    if not deciding:
        silent = ("no gate of this stage decides: all are dry runs, or there is none",)
    if doubt or silent or missing:
        return Hold((*doubt, *silent, *missing))
    return Promote(target, tuple(r.sentence for r in deciding if isinstance(r, Passed)))


def judge(
    rollout: Rollout, gates: tuple[Judged, ...], approvals: tuple[str, ...], now: datetime
) -> Judgement:
    """Weigh the gates, the time that has passed and the approvals of this very evidence."""
    target = next_place(rollout)
    waits, digest = missing_times(rollout, target, now), evidence_digest(rollout, gates)
    decision = decide(target, gates, (*waits, *missing_approvals(rollout, len(approvals), digest)))
    ready = isinstance(decide(target, gates, waits), Promote)
    by_itself = rollout.stage_plan.advance.automatic and isinstance(decision, Promote)
    return Judgement(
        decision=decision,
        gates=gates,
        next=target,
        evidence_digest=digest,
        approvals_needed=rollout.stage_plan.advance.approvals,
        approvals_given=approvals,
        waits_for_people=ready and not by_itself,
    )


def judge_watched(rollout: Rollout, gates: tuple[Judged, ...]) -> Judgement:
    """Weigh the gates of a live version under watch: only harm decides anything."""
    harm = tuple(gate.result.sentence for gate in gates if gate.harm)
    until = f"{rollout.watched_until:%Y-%m-%d %H:%M} UTC"
    watched = f"{rollout.model}@{rollout.version} is live; harm takes it back until {until}"
    return Judgement(RollBack(harm) if harm else Hold((watched,)), gates)


def missing_times(rollout: Rollout, target: Place, now: datetime) -> tuple[str, ...]:
    """What a promotion still has to wait for, whatever the gates say."""
    plan, missing = rollout.stage_plan, []
    if target.stage is not rollout.stage:
        left = _left(plan.advance.after_seconds, rollout.stage_since, now)
        missing += [f"{rollout.stage.words} lasts {left}"] if left else []
    if plan.steps:
        left = _left(plan.steps[rollout.step].bake_seconds, rollout.step_since, now)
        missing += [f"the step of {rollout.weight:g} % bakes {left}"] if left else []
    opens = until_open(plan.advance.when, now)
    missing += [f"nothing is promoted before {opens}"] if opens else []
    thaws = until_thawed(rollout.plan.freezes, now)
    missing += [f"the plan has a freeze: nothing is promoted before {thaws}"] if thaws else []
    return tuple(missing)


def _left(seconds: float, since: datetime, now: datetime) -> str:
    """How much longer, in words; empty once that long has passed."""
    left = seconds - max(0.0, (now - since).total_seconds())
    if left <= 0:
        return ""
    if since - now <= CLOCKS_DIFFER:
        return f"{spoken(left)} more"
    return (
        f"{spoken(left)} from {since:%Y-%m-%d %H:%M} UTC on, when it began by a clock that was set "
        "back since; override with a reason, or abort and start it again"
    )


def missing_approvals(rollout: Rollout, given: int, digest: str) -> tuple[str, ...]:
    """The approvals that a promotion still needs, and how one is given."""
    needed = rollout.stage_plan.advance.approvals
    if given >= needed:
        return ()
    return (
        f"{given} of {needed} approvals are given for this evidence; `stagegate rollout approve "
        f"{rollout.model} --evidence {digest}` gives one",
    )


def evidence_digest(rollout: Rollout, gates: Sequence[Judged]) -> str:
    """What an approval binds to: version, plan, place, verdicts, and all that speaks against it.

    More good answers leave it as it is, or no approval could outlive the next request. A new
    error, an answer past its due time or another verdict of any gate changes it, and so does
    whatever else a gate finds against the candidate: what it keeps as `against` in its numbers.
    """
    content = {
        "rollout": rollout.id,
        "version": rollout.version_digest,
        "plan": rollout.plan_digest,
        "stage": rollout.stage.value,
        "step": rollout.step,
        "gates": [
            {
                "type": gate.type,
                "segment": _key(gate.segment),
                "verdict": gate.result.verdict,
                "errors": gate.result.numbers.get("errors"),
                "overdue": gate.result.numbers.get("overdue"),
                "against": gate.result.numbers.get("against"),
            }
            for gate in gates
        ],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def gate_record(gate: Judged) -> dict[str, Any]:
    """What a gate says, with its numbers, as the audit log and people get it."""
    return {
        "type": gate.type,
        "segment": None if gate.segment is None else str(gate.segment),
        "verdict": gate.result.verdict,
        "sentence": gate.result.sentence,
        "numbers": dict(gate.result.numbers),
        "dry_run": gate.dry_run,
        # Records from before there was a choice have none.
        **({} if gate.then is FailedThen.ROLL_BACK else {"then": gate.then.value}),
    }


def _key(segment: Segment | None) -> list[Any] | None:
    return None if segment is None else [segment.name, segment.value, segment.rest]


def spoken(seconds: float) -> str:
    """A duration for people: its two largest units."""
    rest, parts = max(round(seconds), 1), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2])
