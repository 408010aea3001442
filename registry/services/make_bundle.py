"""From an exported file to a bundle: converted, proven against its original, and profiled."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from registry.documents.manifest import Source
from registry.documents.preprocessing import AnyPreprocessing
from registry.documents.proof import NAME as PROOF
from registry.domain.environment import requirements_text
from registry.domain.errors import Invalid
from registry.domain.mistakes import mistake, unlike_standard
from registry.domain.observations import Observations
from registry.domain.parity import Parity
from registry.ports import ReferenceFitter
from registry.registration import (
    Alternatives,
    Answering,
    ArtifactStore,
    Bundles,
    Converted,
    Converter,
    DataUsed,
    Declared,
    Intake,
    Labelled,
    LabelledImage,
    Lineage,
    Original,
    Progress,
    Runtime,
    Samples,
    Taken,
)
from registry.services.digest_data import DataDigest
from registry.services.prove import BATCH, Question, asked_by, files_of, prove, spread
from registry.services.registration_request import Registration

MISTAKES_SAMPLE = 300
Pictures = Callable[[AnyPreprocessing], Mapping[str, bytes]]
"""Gives the encoded inputs that a bundle keeps, by name."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What registration works with; workshop: gives a folder for as long as it is needed."""

    intake: Intake
    converter: Converter
    original: Original
    samples: Samples
    runtime: Runtime
    alternatives: Alternatives
    fitter: ReferenceFitter
    bundles: Bundles
    store: ArtifactStore
    environment: Mapping[str, str]
    pictures: Pictures
    workshop: Callable[[], AbstractContextManager[Path]]
    home: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that is not stored yet."""

    bundle: Path
    digest: str
    converted: Converted
    parity: Parity
    environment: Mapping[str, str]
    locks: Mapping[str, Mapping[str, Any]]
    reference: Mapping[str, bytes]
    lineage: Lineage


def make_bundle(request: Registration, tools: Tools, folder: Path, now: datetime) -> Made:
    """The bundle of an export, proven, in this folder."""
    tools.progress("reading the export", 0, 1)
    taken = tools.intake.take(request.path, folder)
    converted = tools.converter.convert(taken.path)
    tools.progress("reading the export", 1, 1)
    training = _read(request.training_data, converted, tools)
    calibration = _read(request.calibration_data, converted, tools)
    if training is None:
        raise Invalid("a version is registered with training data, for its proof and its profile")
    graph = folder / "model.onnx"
    graph.write_bytes(converted.graph)
    answering = tools.runtime.open(converted.preprocessing, graph)
    if request.declared is not None:
        _refuse_mistakes(request.declared, converted, training, tools)
    asked = files_of(spread(training), folder)
    pictures = tools.pictures(converted.preprocessing)
    question = Question(taken.path, asked, pictures, asked_by(request.kind))
    tools.progress("asking the original", 0, 1)
    proven = prove(question, converted, tools.original, answering, folder)
    tools.progress("asking the original", 1, 1)
    made_with = _environment(converted, tools)
    named = {"training": DataDigest(), "calibration": DataDigest()}
    reference = _fit(converted, training, calibration, answering, tools, named)
    files: dict[str, bytes | Path] = {
        "model.onnx": graph,
        "preprocessing.json": converted.preprocessing.document(),
        PROOF: proven.proof.document(),
        "requirements.txt": requirements_text(made_with).encode(),
        **taken.beside,
        **_declared_files(request),
        **reference,
    }
    locks = {"conversion": dict(converted.jail), "original": dict(proven.jail)}
    fields = _manifest_fields(request, taken, converted, proven.parity, made_with, now)
    fields["jail"] = locks
    bundle = folder / "bundle"
    digest = tools.bundles.write(bundle, fields, files)
    environment = fields["environment"]
    lineage = Lineage(_data(request, named), next(iter(pictures.values())))
    return Made(bundle, digest, converted, proven.parity, environment, locks, reference, lineage)


def _data(request: Registration, named: Mapping[str, DataDigest]) -> tuple[DataUsed, ...]:
    sources = {"training": request.training_data, "calibration": request.calibration_data}
    return tuple(
        DataUsed(role, source.resolve(), named[role].text, named[role].inputs)
        for role, source in sources.items()
        if source is not None
    )


def _read(source: Path | None, converted: Converted, tools: Tools) -> Sequence[Labelled] | None:
    if source is None:
        return None
    labels = converted.labels if converted.threshold is None else ()
    return tools.samples.read(source, labels, converted.preprocessing)


def _refuse_mistakes(
    declared: Declared, converted: Converted, training: Sequence[Labelled], tools: Tools
) -> None:
    """Invalid if the training images say that something was declared wrong."""
    images = [one for one in spread(training, MISTAKES_SAMPLE) if isinstance(one, LabelledImage)]
    if declared.input.normalises:
        far = unlike_standard(*tools.alternatives.normalised(declared.input, images))
        if far:
            raise Invalid(far)
    if declared.input.threshold is not None:
        return  # which labels an image has is not known
    truth = np.array([image.label for image in images])
    said = tools.alternatives.labels(converted.graph, declared.input, images)
    found = mistake(truth, said, converted.labels)
    if found:
        raise Invalid(found)


def _environment(converted: Converted, tools: Tools) -> dict[str, str]:
    exported = {} if converted.python is None else {"exported_with_python": converted.python}
    return {**tools.environment, **exported}


def _source(request: Registration, taken: Taken, converted: Converted) -> Source:
    factory = request.declared.factory if request.declared else None
    more: dict[str, Any] = {} if factory is None else {"factory": factory}
    if request.run_code:
        names = (*converted.globals["unknown"], *converted.globals["unusual_calls"])
        more["ran"] = tuple(dict.fromkeys(names))
    return Source(
        format=request.kind, name=taken.name, sha256=taken.sha256, size=taken.size, **more
    )


def _declared_files(request: Registration) -> dict[str, bytes]:
    return {} if request.declared is None else {"input.json": request.declared.input.document()}


def _manifest_fields(
    request: Registration,
    taken: Taken,
    converted: Converted,
    parity: Parity,
    made_with: Mapping[str, str],
    now: datetime,
) -> dict[str, Any]:
    """The manifest but for its files."""
    return {
        "model": request.model,
        "labels": converted.labels,
        "activation": converted.activation,
        **({} if converted.threshold is None else {"threshold": converted.threshold}),
        "input_shape": converted.preprocessing.shape,
        "feature_blocks": [{"name": b.name, "width": b.width} for b in converted.blocks],
        "source": _source(request, taken, converted),
        "environment": dict(made_with),
        "parity": parity.document(),
        "description": request.description,
        "tags": dict(request.tags),
        "author": request.actor,
        "created_at": now,
    }


def _fit(
    converted: Converted,
    training: Sequence[Labelled],
    calibration: Sequence[Labelled] | None,
    answering: Answering,
    tools: Tools,
    named: Mapping[str, DataDigest],
) -> Mapping[str, bytes]:
    """The files that monitoring needs; the data are read once, and named meanwhile."""

    def stream(role: str, what: str, samples: Sequence[Labelled]) -> Iterator[Observations]:
        done = 0
        tools.progress(what, done, len(samples))
        for seen in answering.observe(samples, BATCH, named[role].take):
            yield seen
            done += len(seen)
            tools.progress(what, done, len(samples))

    return tools.fitter.fit(
        converted.labels,
        converted.blocks,
        stream("training", "profiling training data", training),
        stream("calibration", "calibrating on held-out data", calibration) if calibration else None,
    )
