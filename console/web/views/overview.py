"""The first page: what is live, who is on the way, what waits for people, what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.alerts import Alert, drift_alert
from console.web.views.formatting import Chip, mapping, sequence, stage_chip, version
from console.web.views.gates import Gate, gate
from console.web.views.queues import Queue, queue
from console.web.views.rollout import paused, weight
from registry.domain.stages import ACTIVE


@dataclass(frozen=True, slots=True)
class Candidate:
    """The version on its way."""

    version: str
    stage: Chip
    weight: str
    paused: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One model; addresses are ready for links."""

    name: str
    live: str
    candidate: Candidate | None
    versions: str
    url: str
    rollout_url: str
    drift_url: str


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """Everything the first page shows."""

    models: tuple[Model, ...]
    queue: Queue
    alerts: tuple[Alert, ...]


def overview_page(
    models: Mapping[str, Any],
    rollouts: Mapping[str, Any],
    stats: Mapping[str, Any],
    drifts: Sequence[Mapping[str, Any]],
    now: datetime,
) -> OverviewPage:
    """The page of the documents."""
    by_model = {str(each["model"]): each for each in sequence(rollouts.get("rollouts"))}
    rows = (_model(each, by_model) for each in sequence(models.get("models")))
    alerts = (drift_alert(document, now) for document in drifts)
    return OverviewPage(tuple(rows), queue(stats), tuple(a for a in alerts if a is not None))


def _model(model: Mapping[str, Any], rollouts: Mapping[str, Mapping[str, Any]]) -> Model:
    name = str(model["name"])
    path = quote(name, safe="")
    return Model(
        name=name,
        live=version(model.get("live")),
        candidate=_candidate(mapping(rollouts.get(name))),
        versions=str(len(sequence(model.get("versions")))),
        url=f"/models/{path}",
        rollout_url=f"/rollouts/{path}" if name in rollouts else "",
        drift_url=f"/drift/{path}",
    )


def _candidate(rollout: Mapping[str, Any]) -> Candidate | None:
    if rollout.get("stage") not in ACTIVE:
        return None
    return Candidate(
        version=version(rollout.get("version")),
        stage=stage_chip(rollout.get("stage")),
        weight=weight(rollout),
        paused=paused(rollout),
        gates=tuple(gate(each) for each in sequence(rollout.get("gates"))),
    )
