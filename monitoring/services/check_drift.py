"""What to keep of a look at a version's newest inputs, and the alert that follows from it."""

from datetime import datetime

from monitoring.domain.alert import AlertKind
from monitoring.domain.episode import evidence_of
from monitoring.domain.reference import Reference
from monitoring.domain.window import merge
from monitoring.ports import Alerts, Windows
from monitoring.services.measure_drift import (
    USUAL_CHECK,
    DriftCheck,
    Look,
    by_this_clock,
    measure,
)
from registry.domain.evidence import CLOCKS_DIFFER, DriftMeasurement
from registry.ports import Drift


def look(
    drift: Drift, windows: Windows, model: str, version: int, now: datetime, check: DriftCheck
) -> Look:
    """Gather the newest rows, the evidence of the replicas, and the last measurement."""
    newest = windows.last(model, version, check.most_rows, now)
    readings = windows.readings(model, version, now - check.silent_after, now)
    last = by_this_clock(next(iter(drift.recent(model, version, limit=1)), None), now)
    evidence = evidence_of(readings, check.run_length, last.window_to if last else None)
    return Look(newest, merge(newest), evidence, last)


def check_drift(
    drift: Drift,
    windows: Windows,
    reference: Reference,
    model: str,
    version: int,
    now: datetime,
    check: DriftCheck = USUAL_CHECK,
    wanted_since: datetime | None = None,
) -> DriftMeasurement | None:
    """What there is to keep, if anything; only reads.

    None if there are too few rows yet, or if little has happened since the last measurement.
    wanted_since: a stage that began then waits for a measurement of its own; one that began by a
    clock that was set back since has one as soon as there is any by this clock.
    """
    if wanted_since is not None and wanted_since > now + CLOCKS_DIFFER:
        wanted_since = None
    seen = look(drift, windows, model, version, now, check)
    due = _due(seen, check, now, wanted_since)
    if seen.counts.rows < check.minimum_rows or not (due or _may_turn(seen)):
        return None
    measured = measure(seen, reference, model, version, now, check).measurement
    turned = measured.alarm is not (seen.episode is not None)
    return measured if due or turned else None


def keep_measurement(drift: Drift, alerts: Alerts, measurement: DriftMeasurement) -> bool:
    """Keep it, and raise, renew or clear the version's alert; says whether the alert is new."""
    m = measurement
    drift.add(m)
    if m.alarm:
        return alerts.see(m.model, m.version, AlertKind.DRIFT, m.sentence, m.at)
    alerts.clear(m.model, m.version, AlertKind.DRIFT, m.at)
    return False


def _due(seen: Look, check: DriftCheck, now: datetime, wanted_since: datetime | None) -> bool:
    """Whether a measurement that says the same as the last one is worth keeping."""
    last, fresh = seen.last, _fresh_rows(seen)
    if last is None:
        return True
    if wanted_since is not None and last.at < wanted_since:
        return fresh > 0
    return fresh >= check.fresh_rows and now >= last.at + check.every


def _may_turn(seen: Look) -> bool:
    """Whether there is reason to think that an alarm begins."""
    return seen.episode is None and seen.evidence.enough is not None


def _fresh_rows(seen: Look) -> int:
    """How many inputs the last measurement has not seen."""
    last = seen.last
    return sum(w.rows for w in seen.newest if last is None or w.ended_at > last.window_to)
