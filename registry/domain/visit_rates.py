"""A rate over the candidate's own visits, held against a bound and not against a baseline.

The next visit's chance of a bad first answer, given all before it, is held against the bound; the
evidence is that of the error-rate gate.
"""

from registry.domain import evalues
from registry.domain.gates import Evidence, Failed, Inconclusive, Passed, Result
from registry.domain.traffic import FIRST
from registry.domain.traffic_gates import needed

FAILED = "failed"


def own_rate(name: str, what: str, bound: float, bad: float | str, evidence: Evidence) -> Result:
    """Whether few enough visits begin badly; bad: FAILED, or a limit in milliseconds."""
    first = evidence.traffic.first
    if first is None or not first.answers:
        return Inconclusive(f"{name}: no visit yet", {"visits": 0})
    met = first.failed if bad == FAILED else first.above(float(bad))
    # What is slow or fails is written late: bad ones count at once, good ones when those are there.
    sure = max(first.answers - evidence.traffic.unsettled(FIRST, evidence.now), met)
    need = needed(evidence)
    for_pass = float(evalues.log_pass(met, sure, bound))
    for_harm = float(evalues.log_harm(met, first.answers, bound))
    more = evalues.more_reviews(met, sure, bound, round(1 - evidence.defaults.confidence, 12))
    numbers = {
        "visits": first.answers,
        "settled": sure,
        "errors": met,
        "at_most": bound,
        "log_e_pass": for_pass,
        "log_e_pass_needed": need.to_pass,
        "log_e_harm": for_harm,
        "log_e_harm_needed": need.to_fail,
        "more": more,
    }
    said = f"{name}: {met} of {first.answers} visits {what}"
    if for_harm >= need.to_fail:
        return Failed(f"{said}: above {bound:.4g} of them at confidence {need.sure_fail}", numbers)
    if for_pass >= need.to_pass:
        return Passed(f"{said}: below {bound:.4g} of them at confidence {need.sure_pass}", numbers)
    outlook = f"needs about {more} more visits" if more else "cannot pass at this rate"
    return Inconclusive(f"{said}, {outlook}", numbers)
