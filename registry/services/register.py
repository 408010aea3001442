"""Registering a version: its bundle is made, stored in MLflow and recorded, in this order."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.parity import Parity
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import UnitOfWork
from registry.registration import DIGEST_TAG, HOME_TAG, ArtifactStore, StoredVersion
from registry.services.make_bundle import Made, Tools, make_bundle
from registry.services.registration_request import Registration, check_request
from registry.services.sweep import sweep


@dataclass(frozen=True, slots=True)
class Registered:
    """The new version and the proof that came with it.

    jail: which locks held in each process. reference: the files that live inputs are compared with.
    """

    version: ModelVersion
    parity: Parity
    globals: Mapping[str, Any]
    jail: Mapping[str, Mapping[str, Any]]
    reference: Mapping[str, bytes]


def register(
    request: Registration,
    tools: Tools,
    transaction: Callable[[], AbstractContextManager[UnitOfWork]],
    now: datetime,
) -> Registered:
    """Convert, prove, profile and store a file; only the last step makes it visible.

    Conversion takes a minute, so the transaction is opened at the very end instead of being handed
    in. Whatever fails before leaves nothing that anybody lists.
    """
    check_request(request)
    sweep(tools.store, transaction, tools.home, request.model, now)
    with tools.workshop() as folder:
        made = make_bundle(request, tools, folder, now)
        stored = _store(request, made, tools)
    version = _version(request, made, stored, now)
    _record(version, tools.store, stored, transaction, now)
    return Registered(version, made.parity, made.converted.globals, made.locks, made.reference)


def _store(request: Registration, made: Made, tools: Tools) -> StoredVersion:
    tools.progress("storing in MLflow", 0, 1)
    labels = made.converted.labels
    stored = tools.store.create_version(
        request.model,
        made.bundle,
        labels,
        parameters={"format": request.kind.value, "labels": ", ".join(labels), **tools.environment},
        metrics={"parity_max_abs_diff": made.parity.max_abs_diff},
        tags={
            **request.tags,
            DIGEST_TAG: made.digest,
            HOME_TAG: tools.home,
            "stagegate.format": request.kind.value,
            "stagegate.author": request.actor,
        },
        description=request.description,
        several=made.converted.threshold is not None,
        lineage=made.lineage,
    )
    tools.progress("storing in MLflow", 1, 1)
    return stored


def _version(
    request: Registration, made: Made, stored: StoredVersion, now: datetime
) -> ModelVersion:
    return ModelVersion(
        model=request.model,
        version=stored.version,
        digest=made.digest,
        bundle_uri=stored.bundle_uri,
        source_format=request.kind.value,
        labels=made.converted.labels,
        environment=made.environment,
        author=request.actor,
        created_at=now,
        run_id=stored.run_id,
        description=request.description,
        tags=dict(request.tags),
        parity=made.parity.document(),
        threshold=made.converted.threshold,
    )


def _record(
    version: ModelVersion,
    store: ArtifactStore,
    stored: StoredVersion,
    transaction: Callable[[], AbstractContextManager[UnitOfWork]],
    now: datetime,
) -> None:
    """Version, audit event and the wish for a tag, all or none."""
    try:
        with transaction() as unit:
            record(unit, version, now)
    except Exception:
        if _is_recorded(version, transaction):
            return  # only the news of the commit was lost
        store.discard(version.model, stored.version, stored.run_id)
        raise


def _is_recorded(
    version: ModelVersion, transaction: Callable[[], AbstractContextManager[UnitOfWork]]
) -> bool:
    with transaction() as unit:
        known = unit.versions.list(version.model)
    return any((v.version, v.digest) == (version.version, version.digest) for v in known)


def record(unit: UnitOfWork, version: ModelVersion, now: datetime) -> None:
    """Make a stored version known."""
    unit.versions.add(version)
    detail = {
        "digest": version.digest,
        "format": version.source_format,
        "labels": list(version.labels),
        "parity": (version.parity or {}).get("max_abs_diff"),
    }
    unit.audit.append(
        now, version.author, "registered", version.model, version.version, detail=detail
    )
    message = {
        "model": version.model,
        "version": version.version,
        "stage": Stage.REGISTERED.value,
    }
    unit.outbox.add("mlflow.stage", message, now)
