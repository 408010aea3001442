"""What registering a version asks of the world, and the values that pass between."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from registry.documents.model_input import ModelInput
from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.observations import FeatureBlock, FloatArray, IntArray, Observations
from registry.domain.versions import ModelVersion


@dataclass(frozen=True, slots=True)
class Declared:
    """What a person says of a file that does not describe itself.

    factory: `module:function`, which makes the module that a state_dict is for. code: the folder
    that the factory is in, beside what is installed.
    """

    input: ModelInput
    labels: tuple[str, ...]
    factory: str | None = None
    code: Path | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """Our own copy of a file; name, digest and size are those of the file that was given.

    beside: what else the bundle keeps of it, by name.
    """

    path: Path
    name: str
    sha256: str
    size: int
    beside: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Converted:
    """A model as ONNX and JSON, and what was seen on the way.

    batches: largest difference of probabilities between module and graph by batch size.
    python: the minor version that exported the file, where it can be read.
    globals: which names the file refers to. jail: what the converter was locked in by.
    threshold: every label above it is in the answer; None where an answer is one label.
    """

    labels: tuple[str, ...]
    preprocessing: AnyPreprocessing
    activation: str
    blocks: tuple[FeatureBlock, ...]
    batches: Mapping[str, float]
    python: str | None
    globals: Mapping[str, Any]
    jail: Mapping[str, Any]
    graph: bytes = field(repr=False)
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class OriginalAnswers:
    """What the real model says: probabilities (n, labels) of get_preds, and of predict.

    jail: what its process was locked in by.
    """

    labels: tuple[str, ...]
    batch: FloatArray
    single: FloatArray
    single_labels: tuple[str, ...]
    jail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An encoded image on disk and the index of its label."""

    path: Path
    label: int

    @property
    def name(self) -> str:
        """For errors."""
        return str(self.path)

    def read(self) -> bytes:
        """The encoded image."""
        return self.path.read_bytes()

    def file(self, folder: Path) -> Path:
        """Where it lies."""
        del folder
        return self.path


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A row of a table as JSON and the index of its label; the first row has the number 1."""

    source: str
    number: int
    data: bytes
    label: int

    @property
    def name(self) -> str:
        """For errors."""
        return f"{self.source}, row {self.number}"

    def read(self) -> bytes:
        """The row."""
        return self.data

    def file(self, folder: Path) -> Path:
        """A new file in the folder, with the row."""
        path = folder / f"asked-{self.number}.json"
        path.write_bytes(self.data)
        return path


Labelled = LabelledImage | LabelledRow
Note = Callable[[Labelled, bytes], None]


@dataclass(frozen=True, slots=True)
class DataUsed:
    """Data that a version was registered with: what for, where they lay, and which they were.

    digest: of every input and its label, in order.
    """

    role: str
    source: Path
    digest: str
    inputs: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """What else MLflow shows of a version: its data, and an input to try it with, nobody's own."""

    data: Sequence[DataUsed] = ()
    example: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version that the artifact store has numbered."""

    version: int
    run_id: str
    bundle_uri: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """A version as the artifact store lists it; home: from where it was stored."""

    model: str
    version: int
    run_id: str
    home: str
    created_at: datetime


class Intake(Protocol):
    """Copies an export to where nobody else writes."""

    def take(self, source: Path, folder: Path) -> Taken:
        """The copy; Invalid for a file that is no export."""


class Converter(Protocol):
    """Turns an export into ONNX and JSON."""

    def convert(self, path: Path) -> Converted:
        """Invalid says why the file is refused and what to do instead."""


class Original(Protocol):
    """The real model, opened for comparison where it can do no harm."""

    def answers(
        self, export: Path, images: Sequence[Path], single: int, python: str | None
    ) -> OriginalAnswers:
        """What it says of these images, the first `single` of them also one by one."""


class Samples(Protocol):
    """Labelled inputs of a model: images in a folder, or rows in a file."""

    def read(
        self, source: Path, labels: Sequence[str], preprocessing: AnyPreprocessing
    ) -> Sequence[Labelled]:
        """All of them; Invalid if there are none, or labels that the model does not know."""


class Answering(Protocol):
    """A bundle's preprocessing and graph, ready to answer."""

    def observe(
        self, samples: Sequence[Labelled], batch: int, note: Note | None = None
    ) -> Iterator[Observations]:
        """What the graph says of the samples, batch by batch, with their labels.

        note: is told each sample and its bytes, in order, before the batch that it is in.
        """

    def probabilities(self, inputs: Sequence[bytes], batch: int) -> FloatArray:
        """What the graph says of encoded inputs: (inputs, labels)."""


class Runtime(Protocol):
    """Runs preprocessing documents and graphs as serving will."""

    def open(self, preprocessing: AnyPreprocessing, graph: Path) -> Answering:
        """Load them."""


class Alternatives(Protocol):
    """What the model would say if its input had been declared otherwise."""

    def normalised(
        self, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and standard deviation of each colour of the images, as the model takes them."""

    def labels(
        self, graph: bytes, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> Mapping[str, IntArray]:
        """The index of its label for each image, by what would have been declared; first as is."""


class OpenBundle(Protocol):
    """A bundle whose files are as its manifest says."""

    @property
    def digest(self) -> str:
        """Covers every byte of the bundle."""

    @property
    def model(self) -> Path:
        """The graph."""

    def said(self) -> Mapping[str, Any]:
        """The manifest as JSON."""

    def preprocessing(self) -> AnyPreprocessing:
        """The preprocessing document."""

    def read(self, name: str) -> bytes:
        """One of its files."""


class Bundles(Protocol):
    """Writes and opens bundles."""

    def write(
        self, path: Path, fields: Mapping[str, Any], files: Mapping[str, bytes | Path]
    ) -> str:
        """Write a bundle into an empty directory; its digest."""

    def open(self, path: Path) -> OpenBundle:
        """A bundle, with every digest checked; Invalid names a file that was changed."""


class BundleFinder(Protocol):
    """Brings bundles of registered versions to this machine."""

    def fetch(self, version: ModelVersion) -> Path:
        """The folder of the bundle."""


class ArtifactStore(Protocol):
    """Keeps bundles and their lineage, and numbers the versions."""

    def create_version(
        self,
        model: str,
        bundle: Path,
        labels: Sequence[str],
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        description: str,
        *,
        several: bool = False,
        lineage: Lineage = ...,
    ) -> StoredVersion:
        """Store a bundle as the next version of a model."""

    def numbered(self, model: str | None = None) -> Sequence[Numbered]:
        """The versions that stagegate has stored, of one model or of all."""

    def discard(self, model: str, version: int, run_id: str) -> None:
        """Take back a version that nobody has heard of."""


DIGEST_TAG, HOME_TAG = "stagegate.digest", "stagegate.home"
Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and how much there is."""
