"""The failures gate: errors and time-outs of the candidate are rare, or no worse than before.

They are counted by unit: who meets one failure often meets more. It passes when the share of units
that met one is shown to be below a bound, or shown to be less than a multiple of the baseline's;
it fails when more than that multiple is shown. Failures at the same time in both arms, as when a
machine is overloaded, are no harm of the candidate's. Where there is no baseline beside it the
bound alone decides; under watch, where units have all the time to meet a failure, of the visits.
"""

from functools import partial

from registry.domain import evalues
from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.ratio_evalues import log_ratio_above, log_ratio_below, mean_of_two
from registry.domain.traffic import JOINED, Traffic
from registry.domain.traffic_gates import by_chance, in_segments, needed, settled, total
from registry.domain.visit_rates import FAILED, own_rate


def failures(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Whether the candidate fails rarely enough."""
    return in_segments(spec, evidence, "failures", partial(_judge, spec))


def _judge(spec: GateSpec, evidence: Evidence) -> Result:
    return _alone(spec, evidence) if evidence.alone else _result(spec, evidence.traffic, evidence)


def _alone(spec: GateSpec, evidence: Evidence) -> Result:
    """Under watch: the share of visits whose first answer is a failure, against the bound."""
    bound = float(str(spec.options["at_most"]))
    return own_rate("failures", "began with one", bound, FAILED, evidence)


def _result(spec: GateSpec, traffic: Traffic, evidence: Evidence) -> Result:
    bound = float(str(spec.options["at_most"]))
    ratio = float(str(spec.options["ratio_at_most"]))
    met, units = len(traffic.candidate_failed), sum(traffic.joined.values())
    # Failures count at once, units only when their slowest answers must be there.
    sure = max(units - traffic.unsettled(JOINED, evidence.now), met)
    events, need = by_chance(traffic.failed), needed(evidence)
    for_pass = float(evalues.log_pass(met, sure, bound))
    for_harm = float(evalues.log_harm(met, units, bound))
    if evidence.baseline:
        quiet = settled(events, traffic, evidence, "failed")
        for_pass = float(mean_of_two(for_pass, log_ratio_below(quiet, ratio)))
        for_harm = float(log_ratio_above(events, ratio))
    alpha = round(1 - evidence.defaults.confidence, 12) / (2 if evidence.baseline else 1)
    more = evalues.more_reviews(met, sure, bound, alpha)
    numbers = {
        "units": units,
        "settled": sure,
        "errors": met,
        "baseline_errors": total(events)[1],
        "at_most": bound,
        "ratio_at_most": ratio,
        "log_e_pass": for_pass,
        "log_e_pass_needed": need.to_pass,
        "log_e_harm": for_harm,
        "log_e_harm_needed": need.to_fail,
        "more": more,
    }
    said = _spoken(units, met, total(events)[1], evidence)
    multiple = f"{ratio:.4g} times the baseline's"
    if for_harm >= need.to_fail:
        what = f"more than {multiple}" if evidence.baseline else f"above {bound:.4g}"
        return Failed(f"{said}: {what} at confidence {need.sure_fail}", numbers)
    if for_pass >= need.to_pass:
        what = f"below {bound:.4g}" + (f" or less than {multiple}" if evidence.baseline else "")
        return Passed(f"{said}: {what} at confidence {need.sure_pass}", numbers)
    outlook = f"needs about {more} more units" if more else "cannot pass at this rate"
    return Inconclusive(f"{said}, {outlook}", numbers)


def _spoken(units: int, met: int, baseline: int, evidence: Evidence) -> str:
    if not units:
        return "failures: no unit of the candidate yet"
    beside = f" ({baseline} of the baseline's)" if evidence.baseline else ""
    return f"failures: {met} of {units} units met one{beside}"
