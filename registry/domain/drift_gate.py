"""The drift gate: never evidence to promote, but a shift makes earlier evidence stale.

It passes only on a comparison that is recent and has seen enough inputs of this very stage: inputs
of a shadow say nothing about those of a limited scope.
"""

from datetime import timedelta

from registry.domain.evidence import DriftMeasurement
from registry.domain.gates import Evidence, Inconclusive, Judged, Passed, Result, Stale
from registry.domain.plan import GateSpec

# Few: how many answers a stage needs is for its other gates to say.
ENOUGH_INPUTS = 30
MOST_AGE = timedelta(days=1)


def drift(spec: GateSpec, evidence: Evidence) -> tuple[Judged, ...]:
    """Whether the inputs still come from the domain where the evidence was gathered."""
    return (Judged(spec.type, _result(evidence), dry_run=spec.dry_run),)


def _result(evidence: Evidence) -> Result:
    newest = evidence.drift
    if newest is None:
        return Inconclusive("drift: no inputs were compared since the stage began", {"rows": 0})
    numbers = {
        "rows": newest.rows,
        "rows_of_stage": evidence.compared,
        "alarm": newest.alarm,
        "at": newest.at.isoformat(),
        "shifted_since": _shifted_since(newest),
        "window_from": newest.window_from.isoformat(),
        "window_to": newest.window_to.isoformat(),
    }
    if newest.alarm:
        since = f"{newest.window_from:%Y-%m-%d %H:%M} UTC"
        what = newest.sentence.removeprefix("domain shift: ")
        return Stale(
            f"drift: evidence gathered before {since} is stale: domain shift: {what}", numbers
        )
    if abs(evidence.now - newest.at) > MOST_AGE:
        when = "over a day ago"
        if newest.at > evidence.now:
            when = "by a clock that was set back since"
        last = f"{newest.at:%Y-%m-%d %H:%M} UTC"
        return Inconclusive(f"drift: inputs were last compared at {last}, {when}", numbers)
    if evidence.compared < ENOUGH_INPUTS:
        more = ENOUGH_INPUTS - evidence.compared
        return Inconclusive(
            f"drift: {evidence.compared} inputs of this stage compared, needs {more} more", numbers
        )
    return Passed(f"drift: {newest.rows} inputs compared, no domain shift", numbers)


def _shifted_since(newest: DriftMeasurement) -> str | None:
    """What tells one shift from the next: when it began, if monitoring follows it."""
    if not newest.alarm:
        return None
    episode = newest.detail.get("episode") or {}
    return str(episode.get("since", newest.at.isoformat()))
