"""The action-rate gate: each label is given about as often as the baseline gives it.

A candidate that raises twice as many alarms, or half as many, is not ready, whatever its accuracy.
Each unit counts by its first answer after a draw, so that nobody who asks a thousand times weighs
more than others. A label passes when its ratio is shown to lie inside the interval, or when both
arms are shown to give it too rarely to judge; it fails the gate when its ratio is shown to lie
outside. Without a baseline the rates of a stated process, such as the people who did this before,
take its place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from registry.domain import evalues
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.ratio_evalues import log_ratio_above, log_ratio_below
from registry.domain.traffic import Traffic
from registry.domain.traffic_gates import (
    Events,
    Floats,
    by_chance,
    in_segments,
    needed,
    outlook,
    scaled,
    times_more,
)

_NOW = np.ones(())  # as much traffic as there is


@dataclass(frozen=True, slots=True)
class _Action:
    """One label. The evidence is a function of how many times as much traffic there is.

    ratio: as it looks, None without any. inside: that the ratio is inside. rare: that it is given
    too rarely. above, below: that the ratio is outside, as it stands.
    """

    name: str
    ratio: float | None
    inside: Callable[[Floats], Floats]
    rare: Callable[[Floats], Floats]
    above: float
    below: float


def action_rate(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Whether every action is taken about as often as before."""
    return in_segments(spec, evidence, "action rate", partial(_judge, spec))


def _judge(spec: GateSpec, evidence: Evidence) -> Result:
    return _result(spec, evidence.traffic, evidence)


def _result(spec: GateSpec, traffic: Traffic, evidence: Evidence) -> Result:
    stated = spec.options.get("against", "baseline")
    rare_below = float(str(spec.options["rare_below"]))
    low, high = _interval(spec)
    if isinstance(stated, Mapping):
        units = sum(traffic.joined.values())
        actions = tuple(_against_rates(traffic, stated, low, high, rare_below))
        whose = "the stated rate"
    elif evidence.baseline:
        units = sum(traffic.compared.values())
        actions = tuple(_against_baseline(traffic, low, high, rare_below))
        whose = "the baseline's"
    else:
        return Inconclusive("action rate: there is no baseline to compare with")
    if not units:
        return Inconclusive("action rate: no unit was drawn yet", {"units": 0})
    return _weigh(actions, units, f"within [{low:.4g}, {high:.4g}] times {whose}", evidence)


def _weigh(actions: tuple[_Action, ...], units: int, claim: str, evidence: Evidence) -> Result:
    """All labels pass by themselves; the j-th to come fails the gate at a j (j + 1)-th of alpha.

    Two tests each to pass (inside, rare) and to fail (above, below) share their level.
    """
    need = needed(evidence)
    enough = need.to_pass + np.log(2)
    inside = {a.name: float(a.inside(_NOW)) for a in actions}
    rarely = {a.name: float(a.rare(_NOW)) for a in actions}
    rare = {name for name, found in rarely.items() if found >= enough}
    open_ = [a for a in actions if inside[a.name] < enough and a.name not in rare]
    harm = [
        (j, a)
        for j, a in enumerate(actions, start=1)
        if max(a.above, a.below) >= need.to_fail + np.log(2 * j * (j + 1))
    ]
    judged = [a for a in actions if a.name not in rare]
    numbers = {
        "units": units,
        "ratios": {a.name: a.ratio for a in actions},
        "rare": sorted(rare),
        "log_e_pass": min((max(inside[a.name], rarely[a.name]) for a in actions), default=0.0),
        "log_e_pass_needed": enough,
        "against": [a.name for _, a in harm],
    }
    said = f"action rate: {units} units, {_spoken(actions, rare)}"
    if harm:
        names = ", ".join(a.name for _, a in harm)
        return Failed(f"{said}: {names} not {claim} at confidence {need.sure_fail}", numbers)
    if open_:
        factors = [_factor(a, enough) for a in open_]
        longest = None if None in factors else max(f for f in factors if f is not None)
        return Inconclusive(said + outlook(longest, units), numbers)
    if not judged:
        hint = "every action is too rare to judge; write a smaller `rare_below`"
        return Inconclusive(f"action rate: {units} units, {hint}", numbers)
    return Passed(f"{said}: {claim} at confidence {need.sure_pass}", numbers)


def _against_baseline(
    traffic: Traffic, low: float, high: float, rare_below: float
) -> Iterator[_Action]:
    draws = by_chance(traffic.compared)
    units = [sum(pair[arm] for pair in draws.values()) for arm in (0, 1)]
    for name in dict.fromkeys(action for _, _, action in traffic.actions):
        events: Events = {
            chance: (
                traffic.actions.get((chance, True, name), 0),
                traffic.actions.get((chance, False, name), 0),
            )
            for chance in draws
        }
        given = [sum(pair[arm] for pair in events.values()) for arm in (0, 1)]

        def inside(k: Floats, events: Events = events) -> Floats:
            more = scaled(events, k)
            return np.minimum(log_ratio_below(more, high), log_ratio_above(more, low))

        def rare(k: Floats, given: list[int] = given) -> Floats:
            logs = [
                evalues.log_pass(g * k, n * k, rare_below)
                for g, n in zip(given, units, strict=True)
            ]
            return np.minimum(*logs)

        yield _Action(
            name,
            _ratio(events, draws),
            inside,
            rare,
            float(log_ratio_above(events, high)),
            float(log_ratio_below(events, low)),
        )


def _against_rates(
    traffic: Traffic, stated: Mapping[str, object], low: float, high: float, rare_below: float
) -> Iterator[_Action]:
    units = sum(traffic.joined.values())
    given = [action for action in traffic.joined if action is not None]
    for name in dict.fromkeys((*stated, *given)):
        rate, count = float(str(stated.get(name, 0))), traffic.joined.get(name, 0)
        least, most = rate * low, rate * high

        def inside(k: Floats, s: int = count, ends: tuple[float, float] = (least, most)) -> Floats:
            low, high = ends
            return np.minimum(_log_less(s * k, units * k, high), _log_more(s * k, units * k, low))

        def rare(k: Floats, s: int = count, rate: float = rate) -> Floats:
            return _log_less(s * k, units * k, rare_below if rate < rare_below else 0)

        # What was never done before is harm once it is shown not to be rare.
        limit = max(most, rare_below) if rate == 0 else most
        above = float(_log_more(count * _NOW, units, limit))
        below = float(_log_less(count * _NOW, units, least))
        ratio = count / units / rate if units and rate else None
        yield _Action(name, ratio, inside, rare, above, below)


def _log_less(count: Floats, units: Floats | int, bound: float) -> Floats:
    """Evidence that a rate is below a bound; a bound of 1 or more needs none."""
    if 0 < bound < 1:
        return evalues.log_pass(count, units, bound)
    return np.full_like(count, np.inf if bound >= 1 else -np.inf)


def _log_more(count: Floats, units: Floats | int, bound: float) -> Floats:
    if 0 < bound < 1:
        return evalues.log_harm(count, units, bound)
    return np.full_like(count, np.inf if bound <= 0 else -np.inf)


def _ratio(events: Events, draws: Events) -> float | None:
    """Mantel and Haenszel's: over all chances, as if each were a table of its own."""
    above = sum(events[c][0] * draws[c][1] / sum(draws[c]) for c in draws)
    below = sum(events[c][1] * draws[c][0] / sum(draws[c]) for c in draws)
    return above / below if below else None


def _factor(action: _Action, enough: float) -> float | None:
    found = (times_more(how, enough) for how in (action.inside, action.rare))
    return min((factor for factor in found if factor is not None), default=None)


def _interval(spec: GateSpec) -> tuple[float, float]:
    ends = spec.options["ratio"]
    low, high = ends if isinstance(ends, list | tuple) else (0.5, 2.0)
    return float(low), float(high)


def _spoken(actions: tuple[_Action, ...], rare: set[str]) -> str:
    def one(action: _Action) -> str:
        if action.name in rare:
            return f"{action.name} too rare to judge"
        ratio = "never so far" if action.ratio is None else f"{action.ratio:.2f} times"
        return f"{action.name} {ratio}"

    return ", ".join(one(action) for action in actions) or "no label told yet"
