"""Check a plan against what is registered and what runs here."""

from dataclasses import dataclass

from registry.documents.plan_file import PlanInvalid, line_of, parse_plan
from registry.documents.plan_record import plan_digest
from registry.documents.plan_yaml import Problem
from registry.domain.plan import Plan
from registry.domain.watching import watch_notes
from registry.ports import UnitOfWork
from registry.services.start_rollout import RequireLevel, flag_objections, objections


@dataclass(frozen=True, slots=True)
class Linted:
    """Problems that keep the plan from being started; notes that do not."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def lint_plan(unit: UnitOfWork, text: str, require_level: RequireLevel) -> Linted:
    """Everything that is wrong with a plan, by line.

    A model that is not registered here at all may be registered elsewhere, so that is a note.
    """
    try:
        plan = parse_plan(text)
    except PlanInvalid as invalid:
        return Linted(invalid.problems)
    if not unit.versions.list(plan.model):
        note = f"there is no model {plan.model!r} here, so its versions were not looked up"
        return Linted((), (note, *watch_notes(plan)))
    if _runs_already(unit, plan):
        return Linted((), (f"{plan.model}@{plan.version} is following this very plan",))
    against = (*objections(unit, plan), *flag_objections(unit, plan, require_level))
    found = ((line_of(text, path), str(error)) for path, error in against)
    problems = tuple(Problem(line, message) for line, message in found)
    return Linted(problems, tuple(watch_notes(plan)))


def _runs_already(unit: UnitOfWork, plan: Plan) -> bool:
    candidates = (unit.rollouts.active(plan.model), unit.rollouts.live(plan.model))
    digest = plan_digest(plan)
    return any(rollout and rollout.plan_digest == digest for rollout in candidates)
