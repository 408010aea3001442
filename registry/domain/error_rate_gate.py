"""The error-rate gate: the candidate is wrong less often than a bound, at a stated confidence.

Verdicts count in prediction order, up to the first answer whose verdict is still pending. Counting
them as they arrive would promote bad candidates whenever wrong answers take longer to review. An
answer whose verdict is past due counts as an error for promotion and as correct for harm.
"""

import math
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np

from registry.domain import evalues
from registry.domain.evidence_table import Standing
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.reviewer_error import Overlooked, none_overlooked, overlooked
from registry.domain.segments import Segment, numbered
from registry.domain.tally import Kind, Tally
from registry.domain.traffic_gates import no_attribute

DECIDED = (Standing.CORRECT, Standing.ERROR)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the rows before the frontier say.

    answers: rows that count. reviewed: those with a verdict. overdue: sampled ones whose verdict
    is past due. waiting: verdicts that do not count yet, behind the first pending answer. rate:
    weighs each verdict by its inclusion probability (Hájek). again: verdicts on further answers of
    visits that were counted.
    """

    answers: int
    reviewed: int
    errors: int
    overdue: int
    pending: int
    waiting: int
    rate: float | None
    again: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of every segment: the bound, how sure to be, and who reviews how much."""

    bound: float
    confidence: float
    rollback_confidence: float
    inclusion: float
    reviewers: Overlooked


def error_rate(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """The verdict on all rows and, where the plan asks, on each segment by itself.

    To promote, each segment passes by itself, without correction. To find harm in any of them each
    pays for its part of alpha, although nobody knows beforehand how many will come. In gradual,
    evidence of earlier steps counts, but no step is left before somebody has looked at an answer of
    that step.
    """
    demand = _demand(spec, evidence)
    answers = evidence.answers
    per_segment = bool(spec.options.get("per_segment"))
    whole = _judge(answers.whole, demand, 2 if per_segment else 1, None)
    results: list[tuple[Segment | None, Result]] = [
        (None, seen_in_step(whole, answers.whole, evidence.step))
    ]
    if per_segment:
        for tests, segment, tally in numbered(answers.segments):
            if never_given(segment, tally, evidence):
                results.append((segment, no_attribute("error rate", segment.name)))
            else:
                results.append((segment, _judge(tally, demand, tests, segment)))
    return tuple(Judged(spec.type, result, segment, spec.dry_run) for segment, result in results)


def count(tally: Tally) -> Counts:
    """The rows as numbers."""
    by_standing = dict.fromkeys(Standing, 0)
    weight, wrong = 0.0, 0.0
    for kind, times in tally.items():
        by_standing[Standing(kind.standing)] += times
        weight += times / kind.chance if kind.standing in DECIDED else 0.0
        wrong += times / kind.chance if kind.standing == Standing.ERROR else 0.0
    errors = by_standing[Standing.ERROR]
    return Counts(
        answers=tally.answers,
        reviewed=errors + by_standing[Standing.CORRECT],
        errors=errors,
        overdue=by_standing[Standing.OVERDUE],
        pending=tally.pending,
        waiting=tally.waiting,
        rate=wrong / weight if weight else None,
        again=tally.again,
    )


def never_given(segment: Segment, tally: Tally, evidence: Evidence) -> bool:
    """Whether no answer at all carried the segment's attribute."""
    return segment.none_given and len(tally) == len(evidence.answers.whole)


def seen_in_step(result: Result, tally: Tally, step: int | None) -> Result:
    """A pass, unless nobody has looked at an answer of the present step of gradual."""
    if step is None or not isinstance(result, Passed):
        return result
    if any(kind.step == step and kind.standing in DECIDED for kind in tally.counts):
        return result
    return Inconclusive(
        f"{result.sentence}, but no answer of the present step has been reviewed yet",
        result.numbers,
    )


def unreviewable(name: str, tally: Tally, inclusion: float) -> Result | None:
    """What to say if answers had less than the stated chance of being reviewed."""
    if inclusion > 0 and tally.least >= inclusion:
        return None
    return Inconclusive(
        f"{name}: some answers had less than the plan's chance of being reviewed, so nothing "
        "is known of them; give the stage's review a `sample`"
    )


def spoken(counts: Counts) -> str:
    """What was reviewed, for people."""
    if not counts.reviewed and not counts.overdue:
        return "nothing reviewed yet"
    errors = "1 error" if counts.errors == 1 else f"{counts.errors} errors"
    late = f", {counts.overdue} past due" if counts.overdue else ""
    again = f", {counts.again} more of the same visits" if counts.again else ""
    return f"{counts.reviewed} reviewed, {errors}{late}{again}"


def behind(waiting: int) -> str:
    """Why verdicts that are there do not count yet."""
    if not waiting:
        return ""
    verdicts = "1 verdict waits" if waiting == 1 else f"{waiting} verdicts wait"
    return f"; {verdicts} behind an earlier answer that is still pending"


def _demand(spec: GateSpec, evidence: Evidence) -> Demand:
    defaults = evidence.defaults
    alpha = round(1 - defaults.confidence, 12)
    by_gold = spec.options.get("reviewers") == "gold"
    return Demand(
        bound=float(str(spec.options["at_most"])),
        confidence=defaults.confidence,
        rollback_confidence=defaults.rollback_confidence,
        inclusion=evidence.inclusion,
        reviewers=overlooked(evidence.reviewers, alpha) if by_gold else none_overlooked(alpha),
    )


def _judge(tally: Tally, demand: Demand, tests: int, segment: Segment | None) -> Result:
    name = f"error rate ({segment})" if segment else "error rate"
    if silent := unreviewable(name, tally, demand.inclusion):
        return silent
    counts, seen = count(tally), demand.reviewers
    harm_alpha = round(1 - demand.rollback_confidence, 12)
    stricter = demand.bound * (1 - seen.share_at_most)
    for_pass, more = _for_pass(
        tally.items(), stricter, demand.bound, seen.alpha_left, demand.inclusion
    )
    for_harm = _for_harm(tally.items(), demand.bound, demand.inclusion)
    numbers = {
        **asdict(counts),
        "bound": demand.bound,
        "log_e_pass": for_pass,
        "log_e_pass_needed": -math.log(seen.alpha_left),
        "log_e_harm": for_harm,
        "log_e_harm_needed": math.log(tests / harm_alpha),
        "more": more,
        **seen.numbers,
    }
    said = f"{name}: {spoken(counts)}"
    if for_harm >= numbers["log_e_harm_needed"]:
        sure = f"{demand.rollback_confidence:.4g}"
        return Failed(f"{said}: above {demand.bound:.4g} at confidence {sure}", numbers)
    if for_pass >= numbers["log_e_pass_needed"]:
        sure = f"{demand.confidence:.4g}"
        below = f"below {demand.bound:.4g} at confidence {sure}"
        return Passed(f"{said}: {below}{seen.sentence}", numbers)
    return Inconclusive(
        said + _outlook(more, demand.inclusion, seen) + behind(counts.waiting), numbers
    )


@lru_cache(maxsize=4096)
def _for_pass(
    items: tuple[tuple[Kind, int], ...], bound: float, stated: float, alpha: float, inclusion: float
) -> tuple[float, int | None]:
    """The log e-value for a pass, and about how many more answers pass at this rate.

    The plan alone says which of two bets is made: choosing by what has been seen so far would be
    choosing the better one afterwards. bound: what is tested; stated: what the plan asks for.
    """
    if bound <= 0:
        return 0.0, None
    if inclusion >= 1:
        errors = _number(items, Standing.ERROR, Standing.OVERDUE)
        reviewed = errors + _number(items, Standing.CORRECT)
        return (
            float(evalues.log_pass(errors, reviewed, bound)),
            evalues.more_reviews(errors, reviewed, bound, alpha),
        )
    losses, times = _losses(items, Standing.ERROR, Standing.OVERDUE)
    gains, least = bound - losses, 1 / inclusion - (stated if bound == stated else 0.0)
    return (
        evalues.log_bet(gains, times, evalues.PASS_STAKES / least),
        evalues.more_bets(gains, times, evalues.PASS_STAKES / least, alpha, bound),
    )


@lru_cache(maxsize=4096)
def _for_harm(items: tuple[tuple[Kind, int], ...], bound: float, inclusion: float) -> float:
    if inclusion >= 1:
        errors = _number(items, Standing.ERROR)
        reviewed = errors + _number(items, Standing.OVERDUE, Standing.CORRECT)
        return float(evalues.log_harm(errors, reviewed, bound))
    losses, times = _losses(items, Standing.ERROR)
    return evalues.log_bet(losses - bound, times, evalues.HARM_STAKES / bound)


def _number(items: tuple[tuple[Kind, int], ...], *standings: Standing) -> int:
    return sum(times for kind, times in items if kind.standing in standings)


def _losses(
    items: tuple[tuple[Kind, int], ...], *errors: Standing
) -> tuple[evalues.Floats, evalues.Floats]:
    """The weighted loss of each kind of answer, and how many have it."""
    losses = [1 / kind.chance if kind.standing in errors else 0.0 for kind, _ in items]
    return np.array(losses), np.array([float(times) for _, times in items])


def _outlook(more: int | None, inclusion: float, seen: Overlooked) -> str:
    if more:
        return f", needs about {more} more{'' if inclusion >= 1 else ' answers'}{seen.sentence}"
    if seen.share_at_most >= 1:
        return f", and no gold item on which the model is wrong has been answered{seen.sentence}"
    return f", cannot pass at this rate{seen.sentence}"
