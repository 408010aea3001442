"""From what a version said to what the caller is told."""

from dataclasses import dataclass
from typing import assert_never

from registry.domain.plan import FlaggedThen, Flags
from serving.domain.failure import Failure
from serving.domain.prediction import Code, Flag, RawPrediction
from serving.domain.routing import Assignment


@dataclass(frozen=True, slots=True)
class Answer:
    """The version's answer goes out."""

    raw: RawPrediction
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """A person answers."""

    reasons: tuple[Flag, ...]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class StandIn:
    """The baseline answers in place of a version that flagged itself."""

    version: int
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class Abstain:
    """Nobody answers: a final response without a label."""

    flags: tuple[Flag, ...]


Outcome = Answer | Hold | StandIn | Abstain


def flag(raw: RawPrediction, rules: Flags) -> tuple[Flag, ...]:
    """The flags that a version's rules raise on its own prediction."""
    return tuple(f for f in (_domain(raw, rules), _confidence(raw, rules)) if f)


def decide(assignment: Assignment, raw: RawPrediction | None) -> Outcome:
    """Answer, hold, stand in or abstain.

    What the stage demands comes before what the flags ask for: a supervised stage lets no answer
    out, flagged or not.
    """
    if raw is None:
        why = assignment.hold or assignment.reason
        return Hold((Flag(Code.NO_VERSION, why),))
    flags = flag(raw, assignment.flags)
    if assignment.hold:
        return Hold((Flag(Code.SUPERVISED, assignment.hold), *flags), flags)
    if not flags:
        return Answer(raw)
    return _flagged(assignment, raw, flags)


def decide_without(assignment: Assignment, failure: Failure) -> StandIn | Hold:
    """What becomes of a request that its candidate gave no answer to.

    Nothing of the candidate's would go out, so the baseline answers in supervised stages too.
    """
    flags = (Flag(Code.FAILED, failure.reason),)
    if assignment.fallback is None:
        return hold_back(flags)
    return StandIn(assignment.fallback, flags)


def hold_back(flags: tuple[Flag, ...]) -> Hold:
    """A person answers, because flags leave no answer that may go out."""
    return Hold(flags, flags)


def withheld(raw: RawPrediction, rules: Flags) -> bool:
    """Whether flags would keep this answer from a caller in every stage."""
    return rules.then is not FlaggedThen.REVIEW and bool(flag(raw, rules))


def _flagged(assignment: Assignment, raw: RawPrediction, flags: tuple[Flag, ...]) -> Outcome:
    match assignment.flags.then:
        case FlaggedThen.HOLD:
            return hold_back(flags)
        case FlaggedThen.REVIEW:
            return Answer(raw, flags)
        case FlaggedThen.BASELINE:
            if assignment.fallback is None:
                return hold_back(flags)
            return StandIn(assignment.fallback, flags)
        case FlaggedThen.ABSTAIN:
            return Abstain(flags)
        case unknown:
            assert_never(unknown)


def _domain(raw: RawPrediction, rules: Flags) -> Flag | None:
    level = rules.out_of_domain
    if level is None or raw.p_value is None or raw.p_value > level:
        return None
    # Held callers and blind reviewers read this sentence, so it must not tell a label.
    told = any(label in raw.domain_reason for label in raw.labels)
    plain = f"unlike the training data (p = {raw.p_value:.2g})"
    why = plain if told or not raw.domain_reason else raw.domain_reason
    return Flag(Code.OUT_OF_DOMAIN, f"{why}; inputs are flagged up to p = {level:g}")


def _confidence(raw: RawPrediction, rules: Flags) -> Flag | None:
    level = rules.min_confidence
    if level is None or raw.confidence >= level:
        return None
    return Flag(
        Code.LOW_CONFIDENCE,
        f"the model is {raw.confidence:.0%} sure of its answer, {level:.0%} are asked for",
    )
