"""Gates on the reviewers: whether their verdicts are good enough to decide anything by.

They never roll back. That people disagree, or miss what was known, says nothing about the
candidate; it says that nothing is known of it yet.
"""

import math

from registry.domain import evalues
from registry.domain.gates import Evidence, Inconclusive, Judged, Passed, Result
from registry.domain.plan import Defaults, GateSpec


def agreement(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Two people who do not know of each other's answer give the same one often enough."""
    seen = evidence.reviewers
    least = float(str(spec.options["at_least"]))
    said = f"agreement: {_items(seen.seconds)} answered by two reviewers"
    said += f", who disagreed on {seen.disagreements}" if seen.seconds else ""
    result = _result(said, seen.disagreements, seen.seconds, least, evidence.defaults)
    return (Judged(spec.type, result, dry_run=spec.dry_run),)


def gold(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Reviewers are right often enough on items whose truth is known."""
    seen = evidence.reviewers
    least = float(str(spec.options["at_least"]))
    said = f"gold: {_items(seen.gold)} of known truth answered"
    said += f", {seen.gold_wrong} wrongly" if seen.gold else ""
    result = _result(said, seen.gold_wrong, seen.gold, least, evidence.defaults)
    return (Judged(spec.type, result, dry_run=spec.dry_run),)


def _result(said: str, failures: int, checked: int, least: float, defaults: Defaults) -> Result:
    """Tests that failures are rarer than 1 - least, as the error-rate gate tests errors."""
    bound = round(1 - least, 12)
    alpha = round(1 - defaults.confidence, 12)
    against = round(1 - defaults.rollback_confidence, 12)
    for_pass = float(evalues.log_pass(failures, checked, bound))
    for_harm = float(evalues.log_harm(failures, checked, bound))
    more = evalues.more_reviews(failures, checked, bound, alpha)
    numbers = {
        "checked": checked,
        "failures": failures,
        "rate": 1 - failures / checked if checked else None,
        "at_least": least,
        "log_e_pass": for_pass,
        "log_e_pass_needed": -math.log(alpha),
        "more": more,
        "against": [failures],
    }
    if for_harm >= -math.log(against):
        return Inconclusive(
            f"{said}: below {least:.4g} at confidence {defaults.rollback_confidence:.4g}, so their "
            "verdicts cannot be relied on; clarify the labels with them",
            numbers,
        )
    if for_pass >= -math.log(alpha):
        return Passed(f"{said}: above {least:.4g} at confidence {defaults.confidence:.4g}", numbers)
    outlook = f"needs about {more} more" if more else "cannot pass at this rate"
    return Inconclusive(f"{said}, {outlook}", numbers)


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
