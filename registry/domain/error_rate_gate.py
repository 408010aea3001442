"""The error-rate gate: the candidate is wrong less often than a bound, at a stated confidence.

Verdicts count in prediction order, up to the first answer whose verdict is still pending. Counting
them as they arrive would promote bad candidates whenever wrong answers take longer to review. An
answer whose verdict is past due counts as an error for promotion and as correct for harm.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from registry.domain import evalues
from registry.domain.evidence_table import EvidenceTable, Segment, Standing
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec


@dataclass(frozen=True, slots=True)
class Counts:
    """What the rows before the frontier say.

    answers: rows that count. reviewed: those with a verdict. overdue: sampled ones whose verdict
    is past due. waiting: verdicts that do not count yet, behind the first pending answer.
    """

    answers: int
    reviewed: int
    errors: int
    overdue: int
    pending: int
    waiting: int
    rate: float | None


def error_rate(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """The verdict on all rows and, where the plan asks, on each segment by itself.

    To promote, each segment passes by itself, without correction. To find harm in any of them the
    j-th test asks for E >= j (j + 1) / alpha: over all j this spends alpha once, although nobody
    knows beforehand how many segments will come. In gradual, evidence of earlier steps counts, but
    no step is left before somebody has looked at an answer of that step.
    """
    bound = float(str(spec.options["at_most"]))
    if not spec.options.get("per_segment"):
        whole = _seen_in_step(_judge(evidence.answers, bound, 1, None, evidence), evidence)
        return (Judged(spec.type, whole, None, spec.dry_run),)
    whole = _seen_in_step(_judge(evidence.answers, bound, 2, None, evidence), evidence)
    results: list[tuple[Segment | None, Result]] = [(None, whole)]
    for j, (segment, answers) in enumerate(_segments(evidence), start=2):
        if segment.none_given and len(answers) == len(evidence.answers):
            results.append((segment, _never_given(segment.name)))
        else:
            results.append((segment, _judge(answers, bound, j * (j + 1), segment, evidence)))
    return tuple(Judged(spec.type, result, segment, spec.dry_run) for segment, result in results)


def frontier(answers: EvidenceTable) -> int:
    """How many rows count: those before the first whose verdict is still pending."""
    pending = np.flatnonzero(answers.standings == Standing.PENDING)
    return int(pending[0]) if len(pending) else len(answers)


def count(answers: EvidenceTable) -> Counts:
    """The rows as numbers; the rate weighs each verdict by its inclusion probability (Hájek)."""
    end = frontier(answers)
    consumed, behind = answers.standings[:end], answers.standings[end:]
    wrong = consumed == Standing.ERROR
    reviewed = wrong | (consumed == Standing.CORRECT)
    weights = 1.0 / answers.chances[:end][reviewed]
    pending = int((behind == Standing.PENDING).sum())
    return Counts(
        answers=end,
        reviewed=int(reviewed.sum()),
        errors=int(wrong.sum()),
        overdue=int((consumed == Standing.OVERDUE).sum()),
        pending=pending,
        waiting=int((behind != Standing.NOT_SAMPLED).sum()) - pending,
        rate=float(weights[wrong[reviewed]].sum() / weights.sum()) if len(weights) else None,
    )


def _segments(evidence: Evidence) -> Iterator[tuple[Segment, EvidenceTable]]:
    for name in evidence.segments:
        yield from evidence.answers.by_segment(name, evidence.expected.get(name, ())).items()


def _never_given(name: str) -> Result:
    return Inconclusive(
        f"error rate ({name}): no answered request carried the attribute {name}, so its segments "
        "cannot be told apart; send it with the requests, or leave it out of the plan"
    )


def _seen_in_step(result: Result, evidence: Evidence) -> Result:
    """A pass, unless nobody has looked at an answer of the present step."""
    if evidence.step is None or not isinstance(result, Passed):
        return result
    answers = evidence.answers
    end = frontier(answers)
    decided = np.isin(answers.standings[:end], (Standing.CORRECT, Standing.ERROR))
    if (decided & (answers.steps[:end] == evidence.step)).any():
        return result
    return Inconclusive(
        f"{result.sentence}, but no answer of the present step has been reviewed yet",
        result.numbers,
    )


def _judge(
    answers: EvidenceTable,
    bound: float,
    tests: int,
    segment: Segment | None,
    evidence: Evidence,
) -> Result:
    name = f"error rate ({segment})" if segment else "error rate"
    if evidence.inclusion <= 0 or (answers.chances < evidence.inclusion).any():
        return Inconclusive(
            f"{name}: some answers had less than the plan's chance of being reviewed, so nothing "
            "is known of them; give the stage's review a `sample`"
        )
    counts = count(answers)
    pass_alpha = round(1 - evidence.defaults.confidence, 12)
    harm_alpha = round(1 - evidence.defaults.rollback_confidence, 12)
    for_pass, for_harm, more = _evidence(answers, counts, bound, pass_alpha, evidence.inclusion)
    numbers = {
        **asdict(counts),
        "bound": bound,
        "log_e_pass": for_pass,
        "log_e_pass_needed": -math.log(pass_alpha),
        "log_e_harm": for_harm,
        "log_e_harm_needed": math.log(tests / harm_alpha),
        "more": more,
    }
    said = f"{name}: {_spoken(counts)}"
    if for_harm >= numbers["log_e_harm_needed"]:
        sure = f"{evidence.defaults.rollback_confidence:.4g}"
        return Failed(f"{said}: above {bound:.4g} at confidence {sure}", numbers)
    if for_pass >= numbers["log_e_pass_needed"]:
        sure = f"{evidence.defaults.confidence:.4g}"
        return Passed(f"{said}: below {bound:.4g} at confidence {sure}", numbers)
    return Inconclusive(said + _outlook(counts, more, evidence.inclusion), numbers)


def _evidence(
    answers: EvidenceTable, counts: Counts, bound: float, alpha: float, inclusion: float
) -> tuple[float, float, int | None]:
    """Log e-values for pass and harm, and about how many more answers pass at this rate.

    The plan alone says which of the two bets is made: choosing by what has been seen so far would
    be choosing the better one afterwards.
    """
    if inclusion >= 1:
        errors, reviewed = counts.errors + counts.overdue, counts.reviewed + counts.overdue
        return (
            float(evalues.log_pass(errors, reviewed, bound)),
            float(evalues.log_harm(counts.errors, reviewed, bound)),
            evalues.more_reviews(errors, reviewed, bound, alpha),
        )
    standings, weights = answers.standings[: counts.answers], 1 / answers.chances[: counts.answers]
    wrong = standings == Standing.ERROR
    against = wrong | (standings == Standing.OVERDUE)
    losses, times = np.unique(against * weights, return_counts=True)
    more = evalues.more_answers(losses, inclusion, bound, alpha, times)
    if not counts.answers:
        return 0.0, 0.0, more
    harm, harm_times = np.unique(wrong * weights, return_counts=True)
    return (
        float(evalues.log_pass_sampled(losses, inclusion, bound, times)[-1]),
        float(evalues.log_harm_sampled(harm, bound, harm_times)[-1]),
        more,
    )


def _spoken(counts: Counts) -> str:
    if not counts.reviewed and not counts.overdue:
        return "nothing reviewed yet"
    errors = "1 error" if counts.errors == 1 else f"{counts.errors} errors"
    late = f", {counts.overdue} past due" if counts.overdue else ""
    return f"{counts.reviewed} reviewed, {errors}{late}"


def _outlook(counts: Counts, more: int | None, inclusion: float) -> str:
    unit = "" if inclusion >= 1 else " answers"
    text = f", needs about {more} more{unit}" if more else ", cannot pass at this rate"
    if counts.waiting:
        verdicts = "1 verdict waits" if counts.waiting == 1 else f"{counts.waiting} verdicts wait"
        text += f"; {verdicts} behind an earlier answer that is still pending"
    return text
