"""The paired-loss gate: in shadow the candidate is wrong hardly more often than the baseline.

Both answer the same requests, and one label judges both. With losses l of 0 or 1 the hypothesis
E[l_candidate - l_baseline] >= margin is bet against, which is E[y] >= (1 + margin) / 2 for y =
(l_candidate - l_baseline + 1) / 2 (Waudby-Smith and Ramdas, arXiv 2010.09686). Pairs on which both
are right, or both wrong, cost little: a gate on the difference needs fewer labels than two rates.
"""

import math
from functools import lru_cache

from registry.domain import evalues
from registry.domain.error_rate_gate import (
    behind,
    never_given,
    unreviewable,
)
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.pairs import Items, count_pairs, excess, numbers_of, pair_items
from registry.domain.plan import GateSpec
from registry.domain.segments import Segment, numbered
from registry.domain.tally import Tally
from registry.domain.traffic_gates import no_attribute


def paired_loss(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """The verdict on all pairs and, where the plan asks, on each segment by itself.

    Segments as in the error-rate gate: each passes by itself; harm is sought in all of them at
    once, which spends alpha once.
    """
    margin, answers = float(str(spec.options["margin"])), evidence.answers
    per_segment = bool(spec.options.get("per_segment"))
    whole = _judge(answers.whole, margin, 2 if per_segment else 1, None, evidence)
    results: list[tuple[Segment | None, Result]] = [(None, whole)]
    for tests, segment, tally in numbered(answers.segments) if per_segment else ():
        if never_given(segment, tally, evidence):
            results.append((segment, no_attribute("paired loss", segment.name)))
        else:
            results.append((segment, _judge(tally, margin, tests, segment, evidence)))
    return tuple(Judged(spec.type, result, segment, spec.dry_run) for segment, result in results)


def _judge(
    tally: Tally, margin: float, tests: int, segment: Segment | None, evidence: Evidence
) -> Result:
    name = f"paired loss ({segment})" if segment else "paired loss"
    if silent := unreviewable(name, tally, evidence.inclusion):
        return silent
    items, defaults = pair_items(tally), evidence.defaults
    alpha, harm = (
        round(1 - sure, 12) for sure in (defaults.confidence, defaults.rollback_confidence)
    )
    for_pass, for_harm, more = _weigh(items, margin, alpha, evidence.inclusion)
    counts = count_pairs(items)
    numbers = {
        **numbers_of(counts, tally),
        "margin": margin,
        "log_e_pass": for_pass,
        "log_e_pass_needed": -math.log(alpha),
        "log_e_harm": for_harm,
        "log_e_harm_needed": math.log(tests / harm),
        "more": more,
    }
    said = (
        f"{name}: {counts.reviewed} pairs reviewed, {counts.candidate_only} with only the "
        f"candidate wrong and {counts.baseline_only} with only the baseline"
    )
    worse = f"the candidate's error rate is {{}} the baseline's plus {margin:.4g} at confidence"
    if for_harm >= numbers["log_e_harm_needed"]:
        sure = f"{defaults.rollback_confidence:.4g}"
        return Failed(f"{said}: {worse.format('above')} {sure}", numbers)
    if for_pass >= numbers["log_e_pass_needed"]:
        return Passed(f"{said}: {worse.format('below')} {defaults.confidence:.4g}", numbers)
    if not counts.pairs:
        return Inconclusive(f"{name}: no request was answered by both versions yet", numbers)
    outlook = f", needs about {more} more" if more else ", cannot pass at this rate"
    return Inconclusive(said + outlook + behind(tally.waiting), numbers)


@lru_cache(maxsize=4096)
def _weigh(
    items: Items, margin: float, alpha: float, inclusion: float
) -> tuple[float, float, int | None]:
    """Log e-values for pass and harm, and about how many more pairs pass at this rate.

    An excess lies between -1/inclusion and 1/inclusion, which bounds what a bet can lose.
    """
    worst, times = excess(items, 1.0, for_pass=True)
    stakes = evalues.PAIR_STAKES / (1 / inclusion - margin)
    best, best_times = excess(items, 1.0, for_pass=False)
    against = evalues.PAIR_STAKES / (1 / inclusion + margin)
    return (
        evalues.log_bet(margin - worst, times, stakes),
        evalues.log_bet(best - margin, best_times, against),
        evalues.more_bets(margin - worst, times, stakes, alpha),
    )
