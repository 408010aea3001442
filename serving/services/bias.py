"""Measure whether reviewers follow the answer that they see, and show it later if they do."""

from dataclasses import replace
from datetime import datetime

from registry.services.record import CONTROLLER
from serving.domain.bias import WINDOW, Standing, stand
from serving.domain.review import Presentation, Task
from serving.ports import ServingUnit


def as_it_may_be_shown(unit: ServingUnit, task: Task, now: datetime) -> Task:
    """A new claim, with the model's answer after the reviewer's own where it has swayed them.

    An item that somebody has seen stays as they saw it. Trials stay too, since they are what tells
    when reviewers no longer follow; somebody else checks each without seeing the model's answer.
    """
    new = task.slot.epoch == 1
    if not new or task.presentation is not Presentation.SHOWN or task.item.is_trial:
        return task
    if not unit.bias.fallen_back(task.item.model):
        return task
    shown = unit.reviews.present(task, Presentation.ANSWER_FIRST)
    said = {"drawn": Presentation.SHOWN.value, "shown": Presentation.ANSWER_FIRST.value}
    unit.review_log.note(task.item.id, CONTROLLER, "fell back", now, **said)
    return shown


def measure(unit: ServingUnit, model: str, at_most: float, now: datetime) -> Standing:
    """What the model's errors of the last 30 days say."""
    return stand(unit.bias.trials(model, now - WINDOW), at_most, now, unit.bias.standing(model))


def is_news(unit: ServingUnit, model: str, found: Standing) -> bool:
    """Whether other numbers were measured than those that are kept."""
    before = unit.bias.standing(model)
    return before is None or replace(before, at=found.at) != found


def keep(unit: ServingUnit, model: str, found: Standing, now: datetime) -> None:
    """Store what was measured; a fall-back and its end stand in the audit log as well."""
    before = unit.bias.standing(model)
    unit.bias.keep(model, found)
    if found.has_fallen_back == (before is not None and before.has_fallen_back):
        return
    back = found.has_fallen_back
    action = "review fell back to answer-first" if back else "review shows answers again"
    unit.registry.audit.append(now, CONTROLLER, action, model, detail=_detail(found))


def _detail(found: Standing) -> dict[str, object]:
    numbers = {"at_most": found.at_most}
    for name, some in (("shown", found.shown), ("blind", found.blind)):
        numbers |= {f"errors_{name}": some.errors, f"accepted_{name}": some.accepted}
    return {"reason": found.sentence, **numbers}
