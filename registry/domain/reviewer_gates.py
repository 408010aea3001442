"""Gates on the reviewers: whether their verdicts are good enough to decide anything by.

Two people's agreement is counted like verdicts: by the first answer of each visit, in prediction
order up to the first that is pending. Ten pictures of one camera in a minute are one question, and
what people disagree on may take longer than what they agree on. Where two were to be asked and no
verdict of theirs came in time, they are taken to disagree for a pass.

Gold items count in the order in which they were planted, up to the first that may still be
answered, for the same reason.

They never roll back. That people disagree, or miss what was known, says nothing about the
candidate; it says that nothing is known of it yet.
"""

import math
from dataclasses import dataclass

from registry.domain import evalues
from registry.domain.error_rate_gate import behind
from registry.domain.evidence_table import Other
from registry.domain.gates import Evidence, Inconclusive, Judged, Passed, Result
from registry.domain.plan import Defaults, GateSpec


def agreement(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Two people who do not know of each other's answer give the same one often enough."""
    tally = evidence.answers.whole
    alike, apart, missing = (
        sum(times for kind, times in tally.items() if kind.other == other)
        for other in (Other.AGREED, Other.DISAGREED, Other.UNKNOWN)
    )
    least = float(str(spec.options["at_least"]))
    said = f"agreement: {_items(alike + apart)} answered by two reviewers"
    said += f", who disagreed on {apart}" if alike + apart else ""
    said += f", and {missing} not in time by both" if missing else ""
    work = _Work(alike + apart, apart, missing, behind(tally.waiting))
    result = _result(said, work, least, evidence.defaults)
    return (Judged(spec.type, result, dry_run=spec.dry_run),)


def gold(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Reviewers are right often enough on items whose truth is known."""
    seen = evidence.reviewers
    least = float(str(spec.options["at_least"]))
    answered = seen.gold - seen.late
    said = f"gold: {_items(answered)} of known truth answered"
    said += f", {seen.gold_wrong} wrongly" if answered else ""
    said += f", and {seen.late} not in time" if seen.late else ""
    work = _Work(answered, seen.gold_wrong, seen.late or None)
    result = _result(said, work, least, evidence.defaults)
    return (Judged(spec.type, result, dry_run=spec.dry_run),)


@dataclass(frozen=True, slots=True)
class _Work:
    """missing: what was not checked in time, taken at its worst; None where nothing can be.

    late: why some does not count.
    """

    checked: int
    failures: int
    missing: int | None = None
    late: str = ""


def _result(said: str, work: _Work, least: float, defaults: Defaults) -> Result:
    """Tests that failures are rarer than 1 - least, as the error-rate gate tests errors."""
    bound = round(1 - least, 12)
    alpha = round(1 - defaults.confidence, 12)
    against = round(1 - defaults.rollback_confidence, 12)
    missing = work.missing or 0
    worst, all_of = work.failures + missing, work.checked + missing
    for_pass = float(evalues.log_pass(worst, all_of, bound))
    for_harm = float(evalues.log_harm(work.failures, all_of, bound))
    more = evalues.more_reviews(worst, all_of, bound, alpha)
    numbers = {
        "checked": work.checked,
        "failures": work.failures,
        **({} if work.missing is None else {"missing": work.missing}),
        "rate": 1 - work.failures / work.checked if work.checked else None,
        "at_least": least,
        "log_e_pass": for_pass,
        "log_e_pass_needed": -math.log(alpha),
        "more": more,
        "against": [work.failures, *([] if work.missing is None else [work.missing])],
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
    return Inconclusive(f"{said}, {outlook}{work.late}", numbers)


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"
