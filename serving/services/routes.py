"""Reading all routes at one moment."""

from collections import defaultdict

from registry.domain.rollout import Rollout
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork
from serving.domain.routing import Policy, Route, RoutingSnapshot


def read_routes(unit: UnitOfWork) -> RoutingSnapshot:
    """The snapshot of every registered model."""
    clock = unit.routing_clock.value()
    live = unit.live.all()
    rollouts = {rollout.model: rollout for rollout in unit.rollouts.all_active()}
    versions: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in unit.versions.list():
        versions[version.model].append(version)
    routes = {
        model: _route(unit, model, live.get(model), rollouts.get(model), known)
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
    labels = next((v.labels for v in known if v.version == named), ())
    policies = {v: _policy(unit.rollouts.of_version(model, v)) for v in sorted(trusted)}
    return Route(model, live, rollout, labels, policies)


def _policy(rollout: Rollout | None) -> Policy:
    """A version keeps the flags of the plan under which it was promoted."""
    if rollout is None:
        return Policy()
    last = next((part for part in rollout.plan.stages if part.stage is Stage.LIVE), None)
    review = (last or rollout.plan.stages[-1]).review
    return Policy(rollout.plan.flags, review)
