"""Registering a version: from an exported file to a bundle that is proven, stored and recorded."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.documents.manifest import Source
from registry.documents.proof import NAME as PROOF
from registry.domain.errors import Invalid
from registry.domain.observations import Observations
from registry.domain.parity import Parity
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import ReferenceFitter, UnitOfWork
from registry.registration import (
    DIGEST_TAG,
    HOME_TAG,
    Answering,
    ArtifactStore,
    Bundles,
    Converted,
    Converter,
    Images,
    Intake,
    LabelledImage,
    Original,
    Progress,
    Runtime,
    StoredVersion,
    Taken,
)
from registry.services.prove import BATCH, Question, prove, spread
from registry.services.sweep import sweep

SUFFIXES = frozenset({".pkl", ".pth", ".pt"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person asks for."""

    model: str
    path: Path
    actor: str
    training_data: Path
    calibration_data: Path | None = None
    trust_pickle: bool = False
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tools:
    """What registration works with."""

    intake: Intake
    converter: Converter
    original: Original
    images: Images
    runtime: Runtime
    fitter: ReferenceFitter
    bundles: Bundles
    store: ArtifactStore
    environment: Mapping[str, str]
    pictures: Mapping[str, bytes]
    workshop: Path
    home: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Registered:
    """The new version and the proof that came with it; jail: which locks held in each process."""

    version: ModelVersion
    parity: Parity
    globals: Mapping[str, Any]
    jail: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Made:
    """A bundle that is not stored yet."""

    bundle: Path
    digest: str
    converted: Converted
    parity: Parity
    environment: Mapping[str, str]
    locks: Mapping[str, Mapping[str, Any]]


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
    tools.workshop.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools.workshop) as folder:
        made = _make(request, tools, Path(folder), now)
        stored = _store(request, made, tools)
    version = _version(request, made, stored, now)
    _record(version, tools.store, stored, transaction, now)
    return Registered(version, made.parity, made.converted.globals, made.locks)


def _make(request: Registration, tools: Tools, folder: Path, now: datetime) -> "_Made":
    """The bundle of an export, proven, in this folder."""
    tools.progress("reading the export", 0, 1)
    taken = tools.intake.take(request.path, folder)
    converted = tools.converter.convert(taken.path)
    tools.progress("reading the export", 1, 1)
    training = tools.images.read(request.training_data, converted.labels)
    calibration = (
        tools.images.read(request.calibration_data, converted.labels)
        if request.calibration_data
        else None
    )
    graph = folder / "model.onnx"
    graph.write_bytes(converted.graph)
    answering = tools.runtime.open(converted.preprocessing, graph)
    question = Question(taken.path, spread(training), tools.pictures)
    tools.progress("asking the original", 0, 1)
    proven = prove(question, converted, tools.original, answering, folder)
    tools.progress("asking the original", 1, 1)
    files: dict[str, bytes | Path] = {
        "model.onnx": graph,
        "preprocessing.json": converted.preprocessing.document(),
        PROOF: proven.proof.document(),
        **_fit(converted, training, calibration, answering, tools),
    }
    locks = {"conversion": dict(converted.jail), "original": dict(proven.jail)}
    fields = manifest_fields(request, taken, converted, proven.parity, tools.environment, now)
    fields["jail"] = locks
    bundle = folder / "bundle"
    digest = tools.bundles.write(bundle, fields, files)
    return _Made(bundle, digest, converted, proven.parity, fields["environment"], locks)


def check_request(request: Registration) -> None:
    """Invalid for what can be told before any work."""
    if not _NAME.fullmatch(request.model):
        raise Invalid(f"a model's name is letters, digits and . _ -, not {request.model!r}")
    if not request.path.is_file():
        raise Invalid(f"there is no file {request.path}")
    if request.path.suffix not in SUFFIXES:
        raise Invalid(
            f"{request.path.name} does not look like a fastai export, which ends in .pkl; export"
            " the learner with Learner.export('export.pkl')"
        )
    if not request.trust_pickle:
        raise Invalid(
            f"{request.path.name} is a pickle, and a pickle can run any code when it is loaded."
            " Reading it here runs nothing, but comparing it with its original does: if you trust"
            " where it comes from, say so with --trust-pickle"
        )


def manifest_fields(
    request: Registration,
    taken: Taken,
    converted: Converted,
    parity: Parity,
    environment: Mapping[str, str],
    now: datetime,
) -> dict[str, Any]:
    """The manifest but for its files."""
    made_with = dict(environment)
    if converted.python is not None:
        made_with["exported_with_python"] = converted.python
    return {
        "model": request.model,
        "labels": converted.labels,
        "activation": converted.activation,
        "input_shape": converted.preprocessing.shape,
        "feature_blocks": [{"name": b.name, "width": b.width} for b in converted.blocks],
        "source": Source(format="fastai", name=taken.name, sha256=taken.sha256, size=taken.size),
        "environment": made_with,
        "parity": parity.document(),
        "description": request.description,
        "tags": dict(request.tags),
        "author": request.actor,
        "created_at": now,
    }


def _fit(
    converted: Converted,
    training: Sequence[LabelledImage],
    calibration: Sequence[LabelledImage] | None,
    answering: Answering,
    tools: Tools,
) -> Mapping[str, bytes]:
    def stream(what: str, images: Sequence[LabelledImage]) -> Iterator[Observations]:
        done = 0
        tools.progress(what, done, len(images))
        for seen in answering.observe(images, BATCH):
            yield seen
            done += len(seen)
            tools.progress(what, done, len(images))

    return tools.fitter.fit(
        converted.labels,
        converted.blocks,
        stream("profiling training images", training),
        stream("calibrating on held-out images", calibration) if calibration else None,
    )


def _store(request: Registration, made: _Made, tools: Tools) -> StoredVersion:
    tools.progress("storing in MLflow", 0, 1)
    labels = made.converted.labels
    stored = tools.store.create_version(
        request.model,
        made.bundle,
        labels,
        parameters={"format": "fastai", "labels": ", ".join(labels), **tools.environment},
        metrics={"parity_max_abs_diff": made.parity.max_abs_diff},
        tags={
            **request.tags,
            DIGEST_TAG: made.digest,
            HOME_TAG: tools.home,
            "stagegate.format": "fastai",
            "stagegate.author": request.actor,
        },
        description=request.description,
    )
    tools.progress("storing in MLflow", 1, 1)
    return stored


def _version(
    request: Registration, made: _Made, stored: StoredVersion, now: datetime
) -> ModelVersion:
    return ModelVersion(
        model=request.model,
        version=stored.version,
        digest=made.digest,
        bundle_uri=stored.bundle_uri,
        source_format="fastai",
        labels=made.converted.labels,
        environment=made.environment,
        author=request.actor,
        created_at=now,
        run_id=stored.run_id,
        description=request.description,
        tags=dict(request.tags),
        parity=made.parity.document(),
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
