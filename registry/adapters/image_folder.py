"""Image folders: each photograph lies in a folder named after its label."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from registry.adapters.imaging import ImagePreprocessor
from registry.adapters.onnx_model import OnnxModel
from registry.documents.preprocessing import Preprocessing
from registry.domain.errors import Invalid, StagegateError
from registry.domain.observations import ByteArray, FloatArray, Observations
from registry.registration import LabelledImage

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class ImageFolders:
    """Reads which images a folder holds."""

    def read(self, folder: Path, labels: Sequence[str]) -> tuple[LabelledImage, ...]:
        """All images below the folder, by path; their labels are their parent folders' names."""
        if not folder.is_dir():
            raise Invalid(f"{folder} is no folder; give one with a folder of images for each label")
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not paths:
            raise Invalid(
                f"{folder} holds no images; put them in folders named after the labels, as in"
                f" {folder.name}/{labels[0]}/photo.jpg"
            )
        index = {label: i for i, label in enumerate(labels)}
        unknown = Counter(p.parent.name for p in paths if p.parent.name not in index)
        if unknown:
            names = ", ".join(f"{name} ({count} images)" for name, count in unknown.most_common())
            raise Invalid(
                f"{folder} has images of labels that the model does not know: {names}; it knows"
                f" {', '.join(labels)}"
            )
        return tuple(LabelledImage(p, index[p.parent.name]) for p in paths)


class OnnxRuntimes:
    """Opens graphs with ONNX Runtime."""

    def __init__(self, threads: int = 2, max_pixels: int = 50_000_000) -> None:
        self.threads = threads
        self.max_pixels = max_pixels

    def open(self, preprocessing: Preprocessing, graph: Path) -> "OnnxAnswering":
        """Load preprocessing and graph."""
        preprocessor = ImagePreprocessor(preprocessing, self.max_pixels)
        return OnnxAnswering(preprocessor, OnnxModel(graph, self.threads))


class OnnxAnswering:
    """Prepares images from disk and runs them through a graph."""

    def __init__(self, preprocessor: ImagePreprocessor, model: OnnxModel) -> None:
        self.preprocessor = preprocessor
        self.model = model

    def observe(self, images: Sequence[LabelledImage], batch: int) -> Iterator[Observations]:
        """What the graph says of them, with their labels."""
        for at in range(0, len(images), batch):
            part = images[at : at + batch]
            seen = self.model.run(np.stack([self._prepare(image.path) for image in part]))
            labels = np.array([image.label for image in part], dtype=np.int64)
            yield Observations(seen.inputs, seen.logits, seen.probabilities, seen.features, labels)

    def probabilities(self, pictures: Sequence[bytes], batch: int) -> FloatArray:
        """What the graph says of encoded pictures."""
        prepared = [self.preprocessor.prepare(picture) for picture in pictures]
        parts = [np.stack(prepared[at : at + batch]) for at in range(0, len(prepared), batch)]
        return np.concatenate([self.model.run(part).probabilities for part in parts])

    def _prepare(self, path: Path) -> ByteArray:
        try:
            return self.preprocessor.prepare(path.read_bytes())
        except StagegateError as error:
            raise Invalid(f"{path}: {error}") from error
