"""Reading all routes at one moment."""

from collections import defaultdict
from dataclasses import replace

from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork
from serving.domain.routing import Policy, Route, RoutingSnapshot


def read_routes(unit: UnitOfWork) -> RoutingSnapshot:
    """The snapshot of every registered model."""
    clock = unit.routing_clock.value()
    live, previous = unit.live.all(), unit.live.all_previous()
    rollouts = {rollout.model: rollout for rollout in unit.rollouts.all_active()}
    versions: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in unit.versions.list():
        versions[version.model].append(version)
    routes = {
        model: replace(
            _route(unit, model, live.get(model), rollouts.get(model), known),
            previous=previous.get(model),
        )
        for model, known in versions.items()
    }
    return RoutingSnapshot(clock, routes)


def _route(
    unit: UnitOfWork,
    model: str,
    live: int | None,
    rollout: Rollout | None,
    known: list[ModelVersion],
) -> Route:
    trusted = {v for v in (live, rollout.baseline if rollout else None) if v is not None}
    named = rollout.version if rollout else live
    asked = next((v for v in known if v.version == named), None)
    policies = {
        v: _policy(unit.rollouts.of_version(model, v), is_live=v == live) for v in sorted(trusted)
    }
    return Route(
        model,
        live,
        rollout,
        asked.labels if asked else (),
        policies,
        ended=_ended(unit, model, live, rollout),
        several=asked is not None and asked.threshold is not None,
    )


def _ended(unit: UnitOfWork, model: str, live: int | None, rollout: Rollout | None) -> str:
    last = unit.rollouts.latest(model) if live is None and rollout is None else None
    return f"version {last.version} is {last.stage.words}" if last else ""


def _policy(rollout: Rollout | None, *, is_live: bool) -> Policy:
    """A version keeps the flags of the plan under which it was promoted.

    What its plan wants reviewed after live is evidence, so it ends with the watch.
    """
    if rollout is None:
        return Policy()
    last = next((part for part in rollout.plan.stages if part.stage is Stage.LIVE), None)
    review = (last or rollout.plan.stages[-1]).review
    if is_live and rollout.watched:
        return Policy(rollout.plan.flags, review, rollout)
    if last is not None and last.watch_seconds:
        review = replace(review, sample=0.0)
    return Policy(rollout.plan.flags, review)
