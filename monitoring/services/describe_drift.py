"""The drift document: what moved in a stretch of live rows, with the counts to plot it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from monitoring.domain.drift_tests import compare
from monitoring.domain.drift_words import describe
from monitoring.domain.profile import Profile
from monitoring.domain.reference import Reference
from monitoring.domain.stretch import Stretch, whole
from monitoring.domain.window import LiveWindow, WindowCounts, merge
from monitoring.ports import References, Windows
from monitoring.services.check_drift import look
from monitoring.services.measure_drift import (
    USUAL_CHECK,
    DriftCheck,
    Look,
    describe_test,
    measure,
    out_of_domain_document,
)
from registry.domain.errors import NotFound
from registry.domain.evidence import DriftMeasurement
from registry.ports import UnitOfWork

HISTORY = 50


def describe_drift(
    unit: UnitOfWork,
    windows: Windows,
    references: References,
    model: str,
    version: int | None,
    window: timedelta | None,
    now: datetime,
    check: DriftCheck = USUAL_CHECK,
) -> dict[str, Any]:
    """The document of a version: the named one, else the candidate, else the live one.

    Looks once, back for `window`, or at the newest rows as the regular check does.
    """
    number = version if version is not None else watched_version(unit, model)
    reference = references.get(unit.versions.get(model, number))
    if window is None:
        seen = look(unit.drift, windows, model, number, now, check)
        stretch, verdict = _newest(seen, reference, model, number, now, check)
    else:
        chosen = windows.since(model, number, now - window)
        stretch, verdict = _named(chosen, reference.profile, check)
    counts = stretch.counts if stretch else WindowCounts()
    return {
        "model": model,
        "version": number,
        "rows": counts.rows,
        "window_from": stretch.window_from.isoformat() if stretch else None,
        "window_to": stretch.window_to.isoformat() if stretch else None,
        **verdict,
        "history": [_past(m) for m in unit.drift.recent(model, number, limit=HISTORY)],
        "out_of_domain_ratio": counts.out_of_domain_ratio,
        "out_of_domain": out_of_domain_document(counts, reference),
        "features": _features(reference.profile, counts),
        "labels": list(reference.profile.labels),
        "predicted": {
            "reference": list(reference.profile.predicted),
            "window": list(counts.predicted),
        },
    }


def watched_version(unit: UnitOfWork, model: str) -> int:
    """The candidate of the active rollout, else the live version; NotFound without either."""
    rollout = unit.rollouts.active(model)
    number = rollout.version if rollout else unit.live.get(model)[0]
    if number is None:
        raise NotFound(
            f"no version of {model!r} is live or rolled out; check the name, start a rollout, or "
            "name a version"
        )
    return number


_Shown = tuple[Stretch | None, dict[str, Any]]  # the inputs, and what is said of them


def _newest(
    seen: Look, reference: Reference, model: str, version: int, now: datetime, check: DriftCheck
) -> _Shown:
    """What the regular check would say now; in an alarm, of the inputs that explain it."""
    if seen.counts.rows < check.minimum_rows:
        return _too_few(seen.newest, check)
    measured = measure(seen, reference, model, version, now, check)
    said = measured.measurement
    keys = ("tests", "episode", "picked", "notes", "evidence", "usual")
    verdict = {"alarm": said.alarm, "sentence": said.sentence, **{k: said.detail[k] for k in keys}}
    return measured.stretch, verdict


def _named(windows: Sequence[LiveWindow], profile: Profile, check: DriftCheck) -> _Shown:
    """What the tests of a window say that somebody named."""
    counts = merge(windows)
    if counts.rows < check.minimum_rows:
        return _too_few(windows, check)
    comparison = compare(profile, counts, check.thresholds)
    return whole(windows), {
        "alarm": comparison.alarm,
        "sentence": describe(comparison, profile, counts),
        "tests": [describe_test(test) for test in comparison.tests],
    }


def _too_few(windows: Sequence[LiveWindow], check: DriftCheck) -> _Shown:
    stretch = whole(windows) if windows else None
    sentence = (
        f"{stretch.counts.rows if stretch else 0} inputs in this window; at least "
        f"{check.minimum_rows} are needed to compare"
    )
    return stretch, {"alarm": False, "sentence": sentence, "tests": []}


def _past(measurement: DriftMeasurement) -> dict[str, Any]:
    return {
        "at": measurement.at.isoformat(),
        "rows": measurement.rows,
        "alarm": measurement.alarm,
        "sentence": measurement.sentence,
    }


def _features(profile: Profile, counts: WindowCounts) -> list[dict[str, Any]]:
    """Counts per bin; `*_outside` are [missing, below the first edge, above the last]."""
    documents = []
    for feature in profile.features:
        live = counts.features.get(feature.name)
        reference = feature.reference.counts
        window = live.counts if live else (0,) * len(reference)
        documents.append(
            {
                "name": feature.name,
                "kind": feature.kind.value,
                "edges": list(feature.bins.edges),
                "reference": list(reference[2:-1]),
                "window": list(window[2:-1]),
                "reference_outside": [reference[0], reference[1], reference[-1]],
                "window_outside": [window[0], window[1], window[-1]],
            }
        )
    return documents
