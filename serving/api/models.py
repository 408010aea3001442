"""The registered models and their versions."""

from typing import Any

from fastapi import APIRouter

from monitoring.domain.reference import Reference
from monitoring.ports import References
from monitoring.services.describe_profile import profile_document
from registry.adapters.database.engine import Database
from registry.adapters.database.unit_of_work import SqlUnitOfWork
from registry.domain.errors import NotFound
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork
from serving.api.text import Name, VersionNumber


def router(database: Database, references: References) -> APIRouter:
    """The routes of models and versions; details say how well inputs can be flagged."""
    routes = APIRouter(prefix="/v1/models", tags=["models"])

    @routes.get("")
    def models() -> dict[str, Any]:
        """Every model with its versions, and which is live."""
        with database.read() as connection:
            unit = SqlUnitOfWork(connection)
            names = dict.fromkeys(v.model for v in unit.versions.list())
            return {"models": [_model(unit, name) for name in names]}

    @routes.get("/{model}")
    def model(model: Name) -> dict[str, Any]:
        """One model with its versions."""
        with database.read() as connection:
            unit = SqlUnitOfWork(connection)
            found = _model(unit, model)
            for document in found["versions"]:
                version = unit.versions.get(model, document["version"])
                document["out_of_domain"] = _calibration(_reference(references, version))
            return found

    @routes.get("/{model}/versions/{version}")
    def version(model: Name, version: VersionNumber) -> dict[str, Any]:
        """The whole record of one version, with what its training data look like."""
        with database.read() as connection:
            unit = SqlUnitOfWork(connection)
            live, _ = unit.live.get(model)
            found = unit.versions.get(model, version)
            reference = _reference(references, found)
            return {
                **_version(unit, found, live),
                "out_of_domain": _calibration(reference),
                "reference": profile_document(reference.profile) if reference else None,
            }

    return routes


def _model(unit: UnitOfWork, name: str) -> dict[str, Any]:
    versions = unit.versions.list(name)
    if not versions:
        known = ", ".join(dict.fromkeys(v.model for v in unit.versions.list())) or "none yet"
        raise NotFound(f"There is no model {name!r}; registered models: {known}.")
    live, previous = unit.live.get(name)
    active = unit.rollouts.active(name)
    return {
        "name": name,
        "live": live,
        "previous": previous,
        "candidate": active.version if active else None,
        "versions": [_version(unit, version, live) for version in versions],
    }


def _version(unit: UnitOfWork, version: ModelVersion, live: int | None) -> dict[str, Any]:
    return {
        "model": version.model,
        "version": version.version,
        "stage": _stage(unit, version, live).value,
        "digest": version.digest,
        "source_format": version.source_format,
        "labels": list(version.labels),
        "threshold": version.threshold,
        "environment": dict(version.environment),
        "parity": dict(version.parity or {}),
        "tags": dict(version.tags or {}),
        "description": version.description,
        "author": version.author,
        "run_id": version.run_id,
        "created_at": version.created_at.isoformat(),
    }


def _reference(references: References, version: ModelVersion) -> Reference | None:
    try:
        return references.get(version)
    except NotFound:
        return None


def _calibration(reference: Reference | None) -> dict[str, Any] | None:
    """The held-out rows that its p-values are calibrated on; None if there are none."""
    scorer = reference.scorer if reference else None
    if scorer is None:
        return None
    return {"calibration_rows": len(scorer.held_out), "minimum_level": scorer.minimum_level}


def _stage(unit: UnitOfWork, version: ModelVersion, live: int | None) -> Stage:
    if version.version == live:
        return Stage.LIVE
    rollout = unit.rollouts.of_version(version.model, version.version)
    if rollout is None:
        return Stage.REGISTERED
    return Stage.RETAINED if rollout.stage is Stage.LIVE else rollout.stage
