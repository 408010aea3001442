"""The latency gate: a quantile of the answer times is at most a multiple of the baseline's.

Candidate answers above `ratio` times the baseline's running quantile are held against baseline
answers above the quantile itself. If the candidate's quantile is `ratio` times the baseline's, both
are equally rare, so that each such event is the candidate's with the chance of its unit's draw.
Requests are concurrent and drawn by lot, so what slows both arms down cancels. Each unit counts
once: its inputs hang together. Against a limit in milliseconds it is the share of the candidate's
visits whose first answer is slower that must stay below 1 - quantile.
"""

from functools import partial

from registry.domain.gates import Evidence, Failed, Inconclusive, Judged, Passed, Result
from registry.domain.plan import GateSpec
from registry.domain.ratio_evalues import log_ratio_above, log_ratio_below
from registry.domain.slowness import SlowAnswers
from registry.domain.traffic import Traffic
from registry.domain.traffic_gates import (
    by_chance,
    in_segments,
    needed,
    outlook,
    scaled,
    settled,
    times_more,
    total,
)
from registry.domain.visit_rates import own_rate


def latency(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Whether the candidate answers fast enough."""
    return in_segments(spec, evidence, "latency", partial(_judge, spec))


def _judge(spec: GateSpec, evidence: Evidence) -> Result:
    quantile, limit = float(str(spec.options["quantile"])), spec.options.get("at_most_ms")
    if limit is not None:
        return _absolute(quantile, float(str(limit)), evidence)
    slow = evidence.traffic.slow_answers(quantile, float(str(spec.options["ratio_at_most"])))
    return _result(slow, evidence.traffic, evidence)


def _absolute(quantile: float, limit: float, evidence: Evidence) -> Result:
    """The share of visits whose first answer takes longer than a limit, whoever else answers."""
    name = f"latency (p{quantile * 100:.4g} at most {limit:g} ms)"
    what = f"began with an answer above {limit:g} ms"
    return own_rate(name, what, round(1 - quantile, 12), limit, evidence)


def _result(slow: SlowAnswers, traffic: Traffic, evidence: Evidence) -> Result:
    name = f"p{slow.quantile * 100:.4g}"
    if not evidence.baseline:
        return Inconclusive(f"latency: there is no baseline to compare the {name} with")
    if slow.threshold_ms is None:
        return Inconclusive(
            f"latency: {slow.answers} of the {slow.needed} answers of the baseline that its "
            f"{name} takes",
            {"answers": slow.answers, "answers_needed": slow.needed},
        )
    events, need = by_chance(slow.events), needed(evidence)
    quiet = settled(events, traffic, evidence, "slow", slow.quantile, slow.ratio)
    for_pass, for_harm = float(log_ratio_below(quiet, 1)), float(log_ratio_above(events, 1))
    mine, others = total(events)
    numbers = {
        "quantile": slow.quantile,
        "ratio_at_most": slow.ratio,
        "threshold_ms": slow.threshold_ms,
        "slow": mine,
        "baseline_slow": others,
        "log_e_pass": for_pass,
        "log_e_pass_needed": need.to_pass,
        "log_e_harm": for_harm,
        "log_e_harm_needed": need.to_fail,
    }
    said = (
        f"latency: {mine} units of the candidate met an answer above {slow.ratio:.4g} times the "
        f"baseline's {name} of {slow.threshold_ms:.3g} ms, {others} of the baseline one above it"
    )
    if for_harm >= need.to_fail:
        what = f"the {name} is more than {slow.ratio:.4g} times the baseline's"
        return Failed(f"{said}: {what} at confidence {need.sure_fail}", numbers)
    if for_pass >= need.to_pass:
        what = f"the {name} is at most {slow.ratio:.4g} times the baseline's"
        return Passed(f"{said}: {what} at confidence {need.sure_pass}", numbers)
    factor = times_more(lambda k: log_ratio_below(scaled(quiet, k), 1), need.to_pass)
    units = sum(traffic.compared.values())
    hint = outlook(factor, units) if mine + others else ", nothing to compare yet"
    return Inconclusive(said + hint, numbers)
