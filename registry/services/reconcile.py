"""Find what others moved in MLflow, say so, and put it back: our database is the truth."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from registry.domain.news import Event, News
from registry.domain.projection import Moved, MovedAlias, Shown, moves
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork
from registry.services.record import notify, set_alias, set_stage

Transaction = Callable[[], AbstractContextManager[UnitOfWork]]

_TOPICS = ("mlflow.alias", "mlflow.stage")


def reconcile(
    model: str,
    show: Callable[[str], Shown],
    look: Transaction,
    change: Transaction,
    now: datetime,
) -> tuple[Moved, ...]:
    """What others moved of one model; it is logged, told, and on its way back.

    MLflow is asked outside any transaction. Whatever we asked of it ourselves meanwhile, or what
    has not yet reached it, explains a difference, so nothing is said until the next time.
    """
    with look() as unit:
        before = _quiet(unit, model)
    if before is None:
        return ()
    found = show(model)
    with look() as unit:  # takes no lock, and nearly always finds nothing
        if not _moved(unit, model, found):
            return ()
    with change() as unit:
        unit.routing_clock.tick()  # first, as in `record`: nobody changes the truth meanwhile
        if _quiet(unit, model) != before:
            return ()
        moved = _moved(unit, model, found)
        rollout = unit.rollouts.latest(model)
        if moved and rollout is not None:
            _put_back(unit, rollout, moved, now)
        return moved


def models(unit: UnitOfWork) -> tuple[str, ...]:
    """The models that ever had a rollout: of others MLflow is asked to show nothing."""
    names = sorted({version.model for version in unit.versions.list()})
    return tuple(name for name in names if unit.rollouts.latest(name))


def _quiet(unit: UnitOfWork, model: str) -> int | None:
    """The number of our last wish about a model; None while any is not carried out."""
    last, waiting = unit.outbox.mark(model, _TOPICS)
    return None if waiting else last


def _moved(unit: UnitOfWork, model: str, found: Shown) -> tuple[Moved, ...]:
    candidate = unit.rollouts.active(model)
    live, _ = unit.live.get(model)
    stages = unit.rollouts.stages(model)
    return moves(live, candidate.version if candidate else None, stages, found)


def _put_back(unit: UnitOfWork, rollout: Rollout, moved: tuple[Moved, ...], now: datetime) -> None:
    what = "; ".join(str(move) for move in moved)
    sentence = f"somebody changed {rollout.model} in MLflow: {what}; it is being put back"
    unit.audit.append(
        now, "mlflow", Event.MOVED_IN_MLFLOW, rollout.model, detail={"sentence": sentence}
    )
    notify(unit, rollout, News(Event.MOVED_IN_MLFLOW, sentence), now)
    for move in moved:
        if isinstance(move, MovedAlias):
            set_alias(unit, rollout.model, move.alias, move.expected, now)
        else:
            set_stage(unit, rollout.model, move.version, move.expected, now)
