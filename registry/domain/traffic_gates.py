"""What the gates on traffic have in common: their confidence, their events, and their limits."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from registry.domain.gates import Evidence, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.segments import Segment, numbered
from registry.domain.traffic import Key, Traffic

Events = dict[float, tuple[int, int]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Needed:
    """The log evidence that passing and failing take, and how sure they are in words."""

    to_pass: float
    to_fail: float
    sure_pass: str
    sure_fail: str


def needed(evidence: Evidence) -> Needed:
    """As the plan's defaults say."""
    defaults = evidence.defaults
    return Needed(
        -math.log(round(1 - defaults.confidence, 12)),
        math.log(evidence.tests / round(1 - defaults.rollback_confidence, 12)),
        f"{defaults.confidence:.4g}",
        f"{defaults.rollback_confidence:.4g}",
    )


def in_segments(
    spec: GateSpec, evidence: Evidence, name: str, judge: Callable[[Evidence], Result]
) -> tuple[Judged, ...]:
    """The verdict on all traffic and, where the plan asks, on each segment by itself.

    As for verdicts: each segment passes by itself, and harm is sought in all of them at once. That
    the candidate has answered in the present step is asked of all traffic only.
    """
    per_segment = bool(spec.options.get("per_segment"))
    whole = judge(replace(evidence, tests=2 if per_segment else 1))
    results: list[tuple[Segment | None, Result]] = [
        (None, seen_in_step(whole, evidence.traffic, evidence))
    ]
    for tests, segment, traffic in numbered(evidence.traffic_of) if per_segment else ():
        if segment.none_given and traffic.rows == evidence.traffic.rows:
            results.append((segment, no_attribute(name, segment.name)))
            continue
        said = judge(replace(evidence, traffic=traffic, tests=tests))
        named = said.sentence.replace(name, f"{name} ({segment})", 1)
        results.append((segment, replace(said, sentence=named)))
    return tuple(Judged(spec.type, result, segment, spec.dry_run) for segment, result in results)


def no_attribute(gate: str, name: str) -> Result:
    """What to say if no request at all carried a segment's attribute."""
    return Inconclusive(
        f"{gate} ({name}): no answered request carried the attribute {name}, so its segments "
        "cannot be told apart; send it with the requests, or leave it out of the plan"
    )


def by_chance(counts: Mapping[tuple[float, bool], int]) -> Events:
    """Counts of candidate and baseline by the chance of being the candidate's, where it is one."""
    chances = dict.fromkeys(chance for chance, _ in counts if chance < 1)
    return {c: (counts.get((c, True), 0), counts.get((c, False), 0)) for c in chances}


def settled(events: Events, traffic: Traffic, evidence: Evidence, *key: object) -> Events:
    """The events, less those of the baseline beside which the candidate's may still be missing."""

    def recent(chance: float) -> int:
        name: Key = (*key, chance)
        return traffic.unsettled(name, evidence.now)

    return {chance: (c, b - recent(chance)) for chance, (c, b) in events.items()}


def seen_in_step(result: Result, traffic: Traffic, evidence: Evidence) -> Result:
    """A pass, unless the candidate has answered nothing in the present step of gradual."""
    if evidence.step is None or not isinstance(result, Passed) or traffic.steps.get(evidence.step):
        return result
    return Inconclusive(
        f"{result.sentence}, but the candidate has answered nothing in the present step yet",
        result.numbers,
    )


def times_more(evidence_at: Callable[[Floats], Floats], enough: float) -> float | None:
    """How many times the present counts would be enough if all went on as it did; None: never."""
    factors = np.geomspace(1.02, 10_000, 120)
    sufficient = np.flatnonzero(evidence_at(factors) >= enough)
    return float(factors[sufficient[0]]) if len(sufficient) else None


def outlook(factor: float | None, units: int) -> str:
    """The same in words."""
    if factor is None:
        return ", cannot pass at this rate"
    more = math.ceil((factor - 1) * units)
    return f", needs about {more} more unit{'' if more == 1 else 's'}"


def scaled(events: Events, factor: Floats) -> dict[float, tuple[Floats, Floats]]:
    """What the counts would be after `factor` times as many."""
    return {chance: (c * factor, b * factor) for chance, (c, b) in events.items()}


def total(events: Events) -> tuple[int, int]:
    """All events of the candidate, and all of the baseline."""
    return sum(c for c, _ in events.values()), sum(b for _, b in events.values())
