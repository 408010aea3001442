"""The error-ratio gate: the candidate's errors are at most so many times the baseline's.

In shadow one label judges both answers, and the bet is on (l_candidate - ratio x l_baseline). In
gradual each unit is answered by one version, drawn at random, and a random sample of both versions'
answers is reviewed. A unit whose arm the steps before have left open is the candidate's with the
conditional chance rho of this step: at 25 %, after the baseline answered it at 5 %, 0.20 / 0.95.
Under a ratio r its first error in the step is the candidate's with probability q = rho r /
(rho r + 1 - rho), so that S_c of S_c + S_b first errors are weighed as the error-rate gate weighs
errors, against the bound q; one factor for each rho. A unit whose arm was known says nothing.
This compares how many units meet an error; it is the ratio of the error rates, too, as long as few
units meet more than one in a step, and for a ratio of 1 always. Why the product is valid at any
time: docs/statistics.md.

Reference: Lindon and Malek, arXiv 2011.03567 (counting processes with a mixture; here one-sided).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from registry.domain import evalues
from registry.domain.arm_errors import ArmErrors, Errors, Odds
from registry.domain.error_rate_gate import behind, never_given, seen_in_step, unreviewable
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.pairs import Items, count_pairs, excess, numbers_of, pair_items
from registry.domain.plan import GateSpec
from registry.domain.ratio_evalues import log_ratio_above, log_ratio_below
from registry.domain.segments import Segment, numbered
from registry.domain.tally import Tally
from registry.domain.traffic_gates import Events, no_attribute


@dataclass(frozen=True, slots=True)
class _Found:
    said: str
    for_pass: float
    for_harm: float
    numbers: Mapping[str, Any]
    waiting: int


def error_ratio(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """The verdict on pairs while the candidate runs in shadow, on both versions' units later.

    With each segment by itself where the plan asks, as in the error-rate gate.
    """
    ratio, whole = float(str(spec.options["at_most"])), evidence.answers.whole
    silent = unreviewable("error ratio", whole, evidence.inclusion)
    if evidence.weights and not evidence.baseline:
        silent = Inconclusive("error ratio: there is no baseline to compare with")
    if silent:
        return (Judged(spec.type, silent, dry_run=spec.dry_run),)
    results: list[tuple[Segment | None, Result]] = []
    for tests, segment, found in _found(ratio, evidence, bool(spec.options.get("per_segment"))):
        name = f"error ratio ({segment})" if segment else "error ratio"
        if segment is not None and found is None:
            results.append((segment, no_attribute("error ratio", segment.name)))
        elif found is not None:
            results.append((segment, _result(found, ratio, tests, name, evidence)))
    _, first = results[0]
    results[0] = (None, seen_in_step(first, whole, evidence.step))
    return tuple(Judged(spec.type, result, segment, spec.dry_run) for segment, result in results)


def _found(
    ratio: float, evidence: Evidence, per_segment: bool
) -> Iterator[tuple[int, Segment | None, _Found | None]]:
    """What all answers say, then those of each segment; None where its attribute never came.

    Each with the number of tests in which harm is sought at once.
    """
    answers, weights, tests = evidence.answers, evidence.weights, 2 if per_segment else 1
    if not weights:
        yield tests, None, _in_shadow(answers.whole, ratio, evidence.inclusion)
        for tests, segment, tally in numbered(answers.segments) if per_segment else ():
            absent = never_given(segment, tally, evidence)
            found = None if absent else _in_shadow(tally, ratio, evidence.inclusion)
            yield tests, segment, found
        return
    yield tests, None, _side_by_side(answers.arms, ratio, weights)
    for tests, segment, arms in numbered(answers.arms_of) if per_segment else ():
        absent = segment.none_given and _seen(arms) == _seen(answers.arms)
        yield tests, segment, None if absent else _side_by_side(arms, ratio, weights)


def _seen(arms: ArmErrors) -> tuple[int, ...]:
    return *arms.reviewed, arms.pending, arms.waiting


def _result(found: _Found, ratio: float, tests: int, name: str, evidence: Evidence) -> Result:
    defaults = evidence.defaults
    alpha, harm = (
        round(1 - sure, 12) for sure in (defaults.confidence, defaults.rollback_confidence)
    )
    numbers = {
        **found.numbers,
        "ratio": ratio,
        "log_e_pass": found.for_pass,
        "log_e_pass_needed": -math.log(alpha),
        "log_e_harm": found.for_harm,
        "log_e_harm_needed": math.log(tests / harm),
    }
    than = f"{ratio:.4g} times the baseline's at confidence"
    said = f"{name}: {found.said}"
    if found.for_harm >= numbers["log_e_harm_needed"]:
        return Failed(f"{said}: above {than} {defaults.rollback_confidence:.4g}", numbers)
    if found.for_pass < numbers["log_e_pass_needed"]:
        return Inconclusive(f"{said}, not enough to tell{behind(found.waiting)}", numbers)
    return Passed(f"{said}: below {than} {defaults.confidence:.4g}", numbers)


def _in_shadow(tally: Tally, ratio: float, inclusion: float) -> _Found:
    items = pair_items(tally)
    counts = count_pairs(items)
    for_pass, for_harm = _weigh_pairs(items, ratio, inclusion)
    said = (
        f"{counts.reviewed} pairs reviewed, {counts.candidate_errors} errors of the candidate and "
        f"{counts.baseline_errors} of the baseline"
    )
    return _Found(said, for_pass, for_harm, numbers_of(counts, tally), tally.waiting)


@lru_cache(maxsize=1024)
def _weigh_pairs(items: Items, ratio: float, inclusion: float) -> tuple[float, float]:
    worst, times = excess(items, ratio, for_pass=True)
    best, best_times = excess(items, ratio, for_pass=False)
    return (
        evalues.log_bet(-worst, times, evalues.PAIR_STAKES * inclusion),
        evalues.log_bet(best, best_times, evalues.PAIR_STAKES * inclusion / ratio),
    )


def _side_by_side(arms: ArmErrors, ratio: float, weights: tuple[float, ...]) -> _Found:
    """Evidence from units, each with the chance that the candidate was to answer it."""
    for_pass = float(log_ratio_below(_by_chance(arms.for_pass, weights), ratio))
    for_harm = float(log_ratio_above(_by_chance(arms.for_harm, weights), ratio))
    mine = sum(errors.candidate for errors in arms.for_pass.values())
    theirs = sum(errors.baseline for errors in arms.for_pass.values())
    numbers = {
        "reviewed": sum(arms.reviewed),
        "candidate_reviewed": arms.reviewed[0],
        "baseline_reviewed": arms.reviewed[1],
        "candidate_units_wrong": mine,
        "baseline_units_wrong": theirs,
        "pending": arms.pending,
        "waiting": arms.waiting,
        "against": [mine],
    }
    said = (
        f"{arms.reviewed[0]} answers of the candidate and {arms.reviewed[1]} of the baseline "
        f"reviewed, {mine} and {theirs} units with an error"
    )
    return _Found(said, for_pass, for_harm, numbers, arms.waiting)


def _by_chance(errors: Mapping[Odds, Errors], weights: tuple[float, ...]) -> Events:
    """Where the share is all there is no baseline to compare with."""
    events: Events = {}
    for odds, found in errors.items():
        chance = odds.chance(weights)
        if chance < 1:
            mine, theirs = events.get(chance, (0, 0))
            events[chance] = (mine + found.candidate, theirs + found.baseline)
    return dict(sorted(events.items()))
