"""Writing a version in another format: made, compared, measured, and only then put in its place."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from registry.documents.preprocessing import AnyPreprocessing
from registry.documents.proof import NAME as PROOF
from registry.documents.proof import Proof, read_proof
from registry.domain.errors import Conflict, Invalid
from registry.domain.export_checks import (
    Agreement,
    Closeness,
    Judgement,
    agree,
    close,
    failures,
    judgement_document,
)
from registry.domain.export_formats import INEXACT, ExportFormat, ExportSettings
from registry.domain.observations import FloatArray, InputArray, IntArray
from registry.domain.several import places
from registry.domain.versions import ModelVersion
from registry.exporting import Content, Exporter, Inputs, Loaders, Runs
from registry.registration import (
    Answering,
    BundleFinder,
    Bundles,
    Labelled,
    OpenBundle,
    Progress,
    Runtime,
    Samples,
)
from registry.services.open_version import open_version
from registry.services.prove import spread
from registry.services.stopwatch import Clock, interleaved, load_seconds

REPORT = "export.json"
TIMED_BATCHES = (1, 32)
CALIBRATING, JUDGING, AT_ONCE = 300, 2000, 32
_WAY_OUT = (
    "nothing was written. Formats in 32 bits must agree to the tolerance; for integers give more"
    " or better calibration data, for pruning less of --amount, or say what you accept"
    " (--agreement, --accuracy-drop)"
)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be written where; data: labelled inputs, to calibrate by and to judge by."""

    version: ModelVersion
    format: ExportFormat
    target: Path
    settings: ExportSettings = field(default_factory=ExportSettings)
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class ExportTools:
    """What exporting works with; beside: gives a folder beside the target, while it is needed."""

    exporter: Exporter
    loaders: Loaders
    inputs: Inputs
    finder: BundleFinder
    bundles: Bundles
    samples: Samples
    runtime: Runtime
    clock: Clock
    progress: Progress
    beside: Callable[[Path], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and what is known of it.

    latency_ms: by model (`eager`, `served`, `exported`) and batch. no_eager: why there is none.
    """

    version: ModelVersion
    format: ExportFormat
    target: Path
    files: Mapping[str, int]
    load_seconds: float
    latency_ms: Mapping[str, Mapping[int, float]]
    judged: Judgement
    details: Mapping[str, Any]
    no_eager: str = ""

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(self.files.values())

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "model": self.version.model,
            "version": self.version.version,
            "digest": self.version.digest,
            "format": self.format.value,
            "files": dict(self.files),
            "size_bytes": self.size,
            "load_seconds": self.load_seconds,
            "threads": 1,
            "latency_ms": {
                name: {str(batch): ms for batch, ms in times.items()}
                for name, times in self.latency_ms.items()
            },
            "no_eager": self.no_eager,
            "parity": judgement_document(self.judged),
            "details": dict(self.details),
        }


def export_version(request: ExportRequest, tools: ExportTools) -> Exported:
    """Export a version; Invalid if its answers change too much, and then nothing is written.

    Everything happens in a folder beside the target, which gets its name when all is done: whoever
    looks at the target sees a whole export or none.
    """
    _check(request)
    tools.progress("getting what it needs", 0, 1)
    tools.exporter.require()
    tools.progress("getting what it needs", 1, 1)
    bundle = open_version(request.version, tools.finder, tools.bundles)
    proof = read_proof(bundle.read(PROOF))
    preprocessing = bundle.preprocessing()
    answering = tools.runtime.open(preprocessing, bundle.model)
    calibrating, judging = _data(request, preprocessing, tools)
    content = _content(request, bundle, preprocessing, _prepared(answering, calibrating))
    with tools.beside(request.target) as staging:
        tools.progress("writing", 0, 1)
        details = tools.exporter.write(content, staging)
        tools.progress("writing", 1, 1)
        _describe(staging, content)
        files = _sizes(staging)
        loaded, seconds = load_seconds(lambda: tools.exporter.load(content, staging), tools.clock)
        tools.progress("comparing", 0, 1)
        if judging:
            level, settings = request.version.threshold, request.settings
            judged: Judgement = _judge_classes(loaded, answering, judging, settings, level)
        else:
            judged = tuple(_judge_numbers(loaded, content, proof, tools))
        _refuse(request, judged)
        tools.progress("comparing", 1, 1)
        latency, no_eager = _time(loaded, content, tools)
        exported = Exported(
            request.version, request.format, request.target, files, seconds, latency, judged,
            details, no_eager,
        )  # fmt: skip
        (staging / REPORT).write_text(json.dumps(exported.document(), indent=2) + "\n")
        _put(staging, request.target)
    return exported


def _check(request: ExportRequest) -> None:
    _refuse_existing(request.target)
    inexact = request.format in INEXACT
    if inexact and request.data is None:
        raise Invalid(
            f"{request.format} changes the numbers, so it is judged by the classes that it gives:"
            " say --calibration-data, labelled inputs as for `model register`"
        )
    if not inexact and request.data is not None:
        raise Invalid(
            f"{request.format} is compared number by number and takes no --calibration-data; leave"
            " it out"
        )


def _refuse_existing(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Conflict(f"{target} exists already; name another folder with -o, or remove it first")


def _data(
    request: ExportRequest, preprocessing: AnyPreprocessing, tools: ExportTools
) -> tuple[Sequence[Labelled], Sequence[Labelled]]:
    """What to calibrate by, and what to judge by: never the same input."""
    if request.data is None:
        return (), ()
    labels = request.version.labels if request.version.threshold is None else ()
    samples = tools.samples.read(request.data, labels, preprocessing)
    if len(samples) < 2:
        raise Invalid(f"{request.data} holds one input; half of them calibrate, half of them judge")
    return spread(samples[::2], CALIBRATING), spread(samples[1::2], JUDGING)


def _prepared(answering: Answering, samples: Sequence[Labelled]) -> InputArray | None:
    parts = [seen.inputs for seen in answering.observe(samples, AT_ONCE)] if samples else []
    return np.concatenate(parts) if parts else None


def _content(
    request: ExportRequest,
    bundle: OpenBundle,
    preprocessing: AnyPreprocessing,
    calibration: InputArray | None,
) -> Content:
    version = request.version
    return Content(
        model=version.model,
        version=version.version,
        labels=version.labels,
        graph=bundle.model,
        preprocessing=preprocessing,
        features=sum(block["width"] for block in bundle.said()["feature_blocks"]),
        calibration=calibration,
    )


def _describe(folder: Path, content: Content) -> None:
    """What whoever runs the export needs besides it."""
    (folder / "preprocessing.json").write_bytes(content.preprocessing.document())
    (folder / "labels.txt").write_text("\n".join(content.labels) + "\n")


def _sizes(folder: Path) -> dict[str, int]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def _judge_numbers(
    loaded: Runs, content: Content, proof: Proof, tools: ExportTools
) -> Sequence[Closeness]:
    """The original's answers to the inputs of the bundle, and the graph's to drawn ones."""
    kept = tools.inputs.prepared(content.preprocessing, list(proof.encoded().values()))
    checks = [close("inputs of the bundle", loaded(kept)[1:2], [proof.wanted()])]
    served, draw = tools.loaders.served(content.graph), np.random.default_rng(0)
    for batch in tools.exporter.batches:
        drawn = tools.inputs.drawn(content.preprocessing, batch, draw)
        checks.append(close(f"drawn, batch of {batch}", loaded(drawn), served(drawn)))
    return checks


def _judge_classes(
    loaded: Runs,
    answering: Answering,
    judging: Sequence[Labelled],
    settings: ExportSettings,
    threshold: float | None,
) -> Agreement:
    before, after, truth = [], [], []
    for seen in answering.observe(judging, AT_ONCE):
        before.append(_classes(seen.probabilities, threshold))
        after.append(_classes(np.asarray(loaded(seen.inputs)[1]), threshold))
        truth.append(seen.labels)
    joined = [np.concatenate(parts) for parts in (before, after, truth)]
    return agree(joined[0], joined[1], joined[2], settings.agreement, settings.accuracy_drop)


def _classes(probabilities: FloatArray, threshold: float | None) -> IntArray:
    """The class of each row; of several labels one number for each set of them."""
    if threshold is None:
        return np.asarray(probabilities.argmax(axis=1))
    sets = [sum(1 << i for i in places(row, threshold)) for row in probabilities.tolist()]
    return np.array(sets, dtype=object)  # more labels than an integer of 64 bits can tell


def _refuse(request: ExportRequest, judged: Judgement) -> None:
    wrong = failures(judged)
    if wrong:
        raise Invalid(
            f"{request.version.name} as {request.format} does not answer as it serves:"
            f" {'; '.join(wrong)}; {_WAY_OUT}"
        )


def _time(
    loaded: Runs, content: Content, tools: ExportTools
) -> tuple[dict[str, dict[int, float]], str]:
    models = {"served": tools.loaders.served(content.graph), "exported": loaded}
    no_eager = ""
    try:
        models = {"eager": tools.loaders.eager(content.graph), **models}
    except Invalid as error:
        no_eager = str(error)
    draw = np.random.default_rng(1)
    found: dict[str, dict[int, float]] = {name: {} for name in models}
    for batch in TIMED_BATCHES:
        tools.progress(f"timing batches of {batch}", 0, 1)
        inputs = tools.inputs.drawn(content.preprocessing, batch, draw)
        for name, ms in interleaved(models, inputs, tools.clock).items():
            found[name][batch] = ms
        tools.progress(f"timing batches of {batch}", 1, 1)
    return found, no_eager


def _put(staging: Path, target: Path) -> None:
    """Give the finished folder its name, unless somebody took it in the meantime."""
    _refuse_existing(target)
    staging.chmod(0o755)  # it was made for one pair of eyes
    try:
        staging.rename(target)
    except OSError as error:
        raise Conflict(f"{target} cannot be written ({error.strerror}); name another") from error
