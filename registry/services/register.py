"""Registering a version: from an exported file to a bundle that is proven, stored and recorded."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from registry.documents.manifest import Source
from registry.documents.proof import NAME as PROOF
from registry.domain.errors import Invalid
from registry.domain.formats import Format, needs
from registry.domain.mistakes import mistake
from registry.domain.observations import Observations
from registry.domain.parity import Parity
from registry.domain.stages import Stage
from registry.domain.versions import ModelVersion
from registry.ports import ReferenceFitter, UnitOfWork
from registry.registration import (
    DIGEST_TAG,
    HOME_TAG,
    Alternatives,
    Answering,
    ArtifactStore,
    Bundles,
    Converted,
    Converter,
    Declared,
    Images,
    Intake,
    LabelledImage,
    Original,
    Progress,
    Runtime,
    StoredVersion,
    Taken,
)
from registry.services.prove import BATCH, Question, paths, prove, spread
from registry.services.sweep import sweep

MISTAKES_SAMPLE = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Registration:
    """What a person asks for."""

    model: str
    path: Path
    actor: str
    training_data: Path
    calibration_data: Path | None = None
    kind: Format = Format.FASTAI
    declared: Declared | None = None
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
    alternatives: Alternatives
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
    if request.declared is not None:
        _refuse_mistakes(request.declared, converted, training, tools)
    question = Question(taken.path, paths(spread(training)), tools.pictures)
    tools.progress("asking the original", 0, 1)
    proven = prove(question, converted, tools.original, answering, folder)
    tools.progress("asking the original", 1, 1)
    files: dict[str, bytes | Path] = {
        "model.onnx": graph,
        "preprocessing.json": converted.preprocessing.document(),
        PROOF: proven.proof.document(),
        **taken.beside,
        **_declared_files(request),
        **_fit(converted, training, calibration, answering, tools),
    }
    locks = {"conversion": dict(converted.jail), "original": dict(proven.jail)}
    fields = manifest_fields(request, taken, converted, proven.parity, tools.environment, now)
    fields["jail"] = locks
    bundle = folder / "bundle"
    digest = tools.bundles.write(bundle, fields, files)
    return _Made(bundle, digest, converted, proven.parity, fields["environment"], locks)


def _refuse_mistakes(
    declared: Declared, converted: Converted, training: Sequence[LabelledImage], tools: Tools
) -> None:
    """Invalid if the training images say that something was declared wrong."""
    images = spread(training, MISTAKES_SAMPLE)
    truth = np.array([image.label for image in images])
    said = tools.alternatives.labels(converted.graph, declared.input, images)
    found = mistake(truth, said, converted.labels)
    if found:
        raise Invalid(found)


def check_request(request: Registration) -> None:
    """Invalid for what can be told before any work."""
    if not _NAME.fullmatch(request.model):
        raise Invalid(f"a model's name is letters, digits and . _ -, not {request.model!r}")
    if not request.path.is_file():
        raise Invalid(f"there is no file {request.path}")
    needed = needs(request.kind, request.path.suffix)
    if needed.described and request.declared is None:
        raise Invalid(
            f"{request.path.name} does not say how its images are prepared nor what its labels"
            " are; give --preprocessing FILE and --labels FILE"
        )
    factory = request.declared.factory if request.declared else None
    if needed.code and factory is None:
        raise Invalid(
            f"{request.path.name} holds weights only; name what makes the module with --factory"
            " module:function, and its folder with --code"
        )
    if needed.trust and not request.trust_pickle:
        raise Invalid(
            f"{request.path.name} is a pickle, and a pickle can run any code when it is loaded."
            " Reading it here runs nothing, but comparing it with its original does: if you trust"
            " where it comes from, say so with --trust-pickle"
        )


def _source(request: Registration, taken: Taken) -> Source:
    factory = request.declared.factory if request.declared else None
    named = {} if factory is None else {"factory": factory}
    return Source(
        format=request.kind, name=taken.name, sha256=taken.sha256, size=taken.size, **named
    )


def _declared_files(request: Registration) -> dict[str, bytes]:
    return {} if request.declared is None else {"input.json": request.declared.input.document()}


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
        "source": _source(request, taken),
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
        source_format=request.kind.value,
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
