"""What the controller does in each turn."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import structlog

from console.controller import Duty
from console.deliver import deliver
from console.notify import forget_old, notify, spread
from console.wiring import Wiring
from monitoring.adapters.alerts import SqlAlerts
from monitoring.adapters.windows import SqlWindows
from monitoring.domain.alert import AlertKind
from monitoring.services.check_drift import check_drift, keep_measurement
from monitoring.services.describe_drift import watched_version
from registry.adapters.database.unit_of_work import SqlUnitOfWork, unit_of_work
from registry.domain.errors import NotFound
from registry.domain.evidence import DriftMeasurement
from registry.domain.rollout import Rollout
from registry.domain.versions import ModelVersion
from registry.services.judge import Looked
from registry.services.keep_readings import keep_readings
from registry.services.reconcile import models, reconcile
from registry.services.record import NOTIFICATION
from registry.services.tick import intent, tick
from registry.services.watch import watch, watch_finds
from serving.adapters.unit import SqlServingUnit
from serving.domain.prediction import Prediction
from serving.ports import ServingUnit
from serving.services import bias
from serving.services.settle import answer_late, close_due

_CLOSED_A_TURN = 1000
_ONE_BY_ONE, _MOST_AT_ONCE = 20, 64
_log = structlog.get_logger()


def duties(wiring: Wiring) -> tuple[Duty, ...]:
    """Late answers first, since callers wait for them."""
    return (
        Duty("closed windows", lambda now: _close(wiring, now)),
        Duty("late answers", lambda now: _late(wiring, now)),
        Duty("drift", lambda now: _drift(wiring, now), every_seconds=2.0),
        Duty("old windows", lambda now: _merge_old_windows(wiring, now), every_seconds=60.0),
        Duty("automation bias", lambda now: measure_bias(wiring, now), every_seconds=10.0),
    )


def judgements(wiring: Wiring) -> tuple[Duty, ...]:
    """What takes harm back, apart from all that may be slow: nobody waits for it longer than this.

    A look that finds nothing new costs a few queries, so it may come often.
    """
    return (Duty("rollouts", lambda now: _rollouts(wiring, now)),)


def deliveries(wiring: Wiring) -> tuple[Duty, ...]:
    """What waits for other systems, kept apart so that a slow one delays no rollback."""
    within = {NOTIFICATION: spread}
    return (
        Duty("outbox", lambda now: deliver(wiring.database, wiring.effects, now, within)),
        Duty("MLflow", lambda now: _reconcile(wiring, now), every_seconds=30.0),
        Duty("forgotten inputs", lambda _: wiring.forget(), every_seconds=2.0),
        Duty("old inputs", lambda now: _retain(wiring, now), every_seconds=10.0),
    )


def notifications(wiring: Wiring, now: Callable[[], datetime]) -> tuple[Duty, ...]:
    """Webhooks, apart from the outbox: an endpoint that hangs must not delay MLflow."""
    return (
        Duty("webhooks", lambda _: notify(wiring.database, now)),
        Duty("old deliveries", lambda at: forget_old(wiring.database, at), every_seconds=3600.0),
    )


def _close(wiring: Wiring, now: datetime) -> None:
    """One at a time: a reviewer who asks for the next item waits for no more than one of these.

    Of many more at a time, so that outcomes keep pace with any number of reviewers.
    """
    due = wiring.ledger.write(partial(_reap, now=now)).result()
    limit = 1 if due <= _ONE_BY_ONE else _MOST_AT_ONCE
    for _ in range(0, due, limit):
        closed = wiring.ledger.write(partial(close_due, now=now, limit=limit)).result()
        _answered(wiring, closed.answered)


def _reap(unit: ServingUnit, now: datetime) -> int:
    """Free what was leased for too long; gives how many windows are over."""
    unit.reviews.reap(now)
    return len(unit.reviews.to_close(now, _CLOSED_A_TURN))


def _late(wiring: Wiring, now: datetime) -> None:
    """One at a time, as above: many would lock items that reviewers answer in another order."""
    for _ in range(_CLOSED_A_TURN):
        answered = wiring.ledger.write(lambda unit: answer_late(unit, now, limit=1)).result()
        _answered(wiring, answered)
        if not answered:
            return


def _answered(wiring: Wiring, predictions: Sequence[Prediction]) -> None:
    for prediction in predictions:
        wiring.serving.measurements.settled(prediction)
        wiring.serving.arrivals.announce(prediction.id)


def measure_bias(wiring: Wiring, now: datetime) -> None:
    """For each model whose plan lets reviewers see its answers first."""
    with wiring.database.read() as connection:
        unit = SqlServingUnit(connection)
        rollouts = (*unit.registry.rollouts.all_watched(), *unit.registry.rollouts.all_active())
        reviews = [(r.model, r.stage_plan.review) for r in rollouts]
        limits = {model: review.bias_at_most for model, review in reviews if review.shown}
        found = {model: bias.measure(unit, model, most, now) for model, most in limits.items()}
        news = [model for model, standing in found.items() if bias.is_news(unit, model, standing)]
    for model in news:
        with wiring.database.begin() as connection:
            bias.keep(SqlServingUnit(connection), model, found[model], now)
        if found[model].has_fallen_back:
            _log.warning("reviewers follow the model", model=model, what=found[model].sentence)
    wiring.metrics.biased({m: (one.has_fallen_back, one.bounds) for m, one in found.items()})


def _drift(wiring: Wiring, now: datetime) -> None:
    with wiring.database.read() as connection:
        unit = SqlUnitOfWork(connection)
        watched = _watched(unit)
        shown = {version.model: watched_version(unit, version.model) for version, _ in watched}
    wiring.metrics.watching(shown)
    for version, stage_since in watched:
        try:
            measurement = _check_one(wiring, version, stage_since, now)
        except NotFound:
            continue  # a bundle without a reference profile cannot drift
        # The gauges name no version: they show the one that the drift page shows.
        if measurement and version.version == shown[version.model]:
            wiring.metrics.measured(measurement)


def _check_one(
    wiring: Wiring, version: ModelVersion, stage_since: datetime | None, now: datetime
) -> DriftMeasurement | None:
    """Comparing takes a while, so it is done before the lock for writing is taken."""
    reference = wiring.references.get(version)
    model, number = version.model, version.version
    with wiring.database.read() as connection:
        drift, windows = SqlUnitOfWork(connection).drift, SqlWindows(connection)
        measurement = check_drift(
            drift, windows, reference, model, number, now, wanted_since=stage_since
        )
    if measurement is None:
        return None
    with wiring.database.begin() as connection:
        drift, alerts = SqlUnitOfWork(connection).drift, SqlAlerts(connection)
        raised = keep_measurement(drift, alerts, measurement)
    if raised:
        wiring.metrics.alerted(model, AlertKind.DRIFT)
        _log.warning(
            "alert", model=version.name, kind=AlertKind.DRIFT, sentence=measurement.sentence
        )
    return measurement


def _watched(unit: SqlUnitOfWork) -> tuple[tuple[ModelVersion, datetime | None], ...]:
    """Every version that a rollout judges, with the beginning of its stage, and every live one."""
    names: dict[tuple[str, int], datetime | None] = {
        (model, live): None for model, live in unit.live.all().items() if live is not None
    }
    judged = (*unit.rollouts.all_watched(), *unit.rollouts.all_active())
    names |= {(r.model, r.version): r.stage_since for r in judged}
    return tuple((unit.versions.get(*name), names[name]) for name in sorted(names))


def _merge_old_windows(wiring: Wiring, now: datetime) -> None:
    with wiring.database.begin() as connection:
        SqlWindows(connection).merge_old(now)


def _rollouts(wiring: Wiring, now: datetime) -> None:
    with wiring.database.read() as connection:
        rollouts = SqlUnitOfWork(connection).rollouts
        candidates, watched = rollouts.all_active(), rollouts.all_watched()
    wiring.metrics.rollouts({r.model: (r.generation, r.weight) for r in candidates})
    for rollout in (*watched, *candidates):
        try:
            _look_after(wiring, rollout, now)
        except Exception:  # noqa: BLE001 - one rollout's trouble must not keep others from rolling back
            _log.exception("rollout not judged", model=rollout.model)


def _reconcile(wiring: Wiring, now: datetime) -> None:
    database = wiring.database
    with database.read() as connection:
        known = models(SqlUnitOfWork(connection))
    look, change = unit_of_work(database.read), unit_of_work(database.begin)
    for model in known:
        for move in reconcile(model, wiring.mlflow.shown, look, change, now):
            _log.warning("moved in MLflow", model=model, what=str(move))


def _retain(wiring: Wiring, now: datetime) -> None:
    deleted = wiring.retention.turn(now) if wiring.retention else 0
    if deleted:
        _log.info("old inputs deleted", inputs=deleted)


def _look_after(wiring: Wiring, rollout: Rollout, now: datetime) -> None:
    """Looking takes no lock; most turns find nothing new, and nothing to do."""
    looked = _watch(wiring, rollout, now) if rollout.watched else _tick(wiring, rollout, now)
    new = wiring.readings.news(rollout, looked.judgement.gates, now)
    if new:
        with wiring.database.begin() as connection:
            keep_readings(SqlUnitOfWork(connection), rollout, new)


def _watch(wiring: Wiring, rollout: Rollout, now: datetime) -> Looked:
    with wiring.database.read() as connection:
        looked, to_do = watch_finds(SqlUnitOfWork(connection), rollout, now, wiring.watch_memory)
    if to_do:
        with wiring.database.begin() as connection:
            watch(SqlUnitOfWork(connection), rollout.model, now, looked)
    return looked


def _tick(wiring: Wiring, rollout: Rollout, now: datetime) -> Looked:
    with wiring.database.read() as connection:
        looked = intent(SqlUnitOfWork(connection), rollout, now, wiring.gate_memory)
    if looked.wish is not None:
        with wiring.database.begin() as connection:
            tick(SqlUnitOfWork(connection), rollout.model, now, looked)
    for gate, e_value in looked.judgement.e_values.items():
        wiring.metrics.gate(gate, rollout.model, e_value)
    return looked
