"""The split gate: units fell to candidate and baseline as the weight says.

If they did not (a sample-ratio mismatch), requests of one arm are lost or sent elsewhere, and no
comparison of the arms can be trusted. It never proves that the split is right: it passes when
enough units were drawn and nothing speaks against it.
"""

from dataclasses import replace
from functools import partial

from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.ratio_evalues import log_split
from registry.domain.traffic import Traffic
from registry.domain.traffic_gates import by_chance, in_segments, needed


def split(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Whether the units are split as they should be."""
    # It passes on counts of all steps: a step in which nobody answered yet says nothing against it.
    return in_segments(spec, replace(evidence, step=None), "split", partial(_judge, spec))


def _judge(spec: GateSpec, evidence: Evidence) -> Result:
    return _result(spec, evidence.traffic, evidence)


def _result(spec: GateSpec, traffic: Traffic, evidence: Evidence) -> Result:
    least = int(str(spec.options["after_units"]))
    draws, need = by_chance(traffic.draws), needed(evidence)
    against = float(log_split(draws))
    mine = sum(candidate for candidate, _ in draws.values())
    units = sum(traffic.draws.values())
    expected = sum(chance * (c + b) for chance, (c, b) in draws.items())
    numbers = {
        "units": units,
        "candidate": mine,
        "expected": round(expected, 3),
        "log_e_harm": against,
        "log_e_harm_needed": need.to_fail,
    }
    if not units:
        return Inconclusive("split: no unit was drawn yet", numbers)
    said = f"split: {mine} of {units} units fell to the candidate, {expected:.4g} were expected"
    if against >= need.to_fail:
        return Failed(
            f"{said}: the lot or its records are wrong at confidence {need.sure_fail}, so the arms "
            "cannot be compared",
            numbers,
        )
    if units < least:
        more = least - units
        return Inconclusive(f"{said}, needs {more} more unit{'' if more == 1 else 's'}", numbers)
    return Passed(f"{said}: nothing speaks against the split", numbers)
