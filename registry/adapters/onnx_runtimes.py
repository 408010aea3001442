"""Opening a bundle's preprocessing and graph as serving does, with ONNX Runtime."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import MAX_PIXELS, Preprocessor, preprocessor
from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.errors import Invalid, StagegateError
from registry.domain.observations import FloatArray, InputArray, Observations
from registry.registration import Labelled, Note


class OnnxRuntimes:
    """Opens graphs with ONNX Runtime."""

    def __init__(self, threads: int = 2, max_pixels: int = MAX_PIXELS) -> None:
        self.threads = threads
        self.max_pixels = max_pixels

    def open(self, preprocessing: AnyPreprocessing, graph: Path) -> "OnnxAnswering":
        """Load preprocessing and graph."""
        model = OnnxModel(graph, self.threads, preprocessing.seen)
        return OnnxAnswering(preprocessor(preprocessing, self.max_pixels), model)


class OnnxAnswering:
    """Prepares encoded inputs and runs them through a graph."""

    def __init__(self, preprocessor: Preprocessor, model: OnnxModel) -> None:
        self.preprocessor = preprocessor
        self.model = model

    def observe(
        self, samples: Sequence[Labelled], batch: int, note: Note | None = None
    ) -> Iterator[Observations]:
        """What the graph says of them, with their labels."""
        for at in range(0, len(samples), batch):
            part = samples[at : at + batch]
            seen = self.model.run(np.stack([self._prepare(sample, note) for sample in part]))
            labels = np.array([sample.label for sample in part], dtype=np.int64)
            yield replace(seen, labels=labels)

    def probabilities(self, inputs: Sequence[bytes], batch: int) -> FloatArray:
        """What the graph says of encoded inputs."""
        prepared = [self.preprocessor.prepare(data) for data in inputs]
        parts = [np.stack(prepared[at : at + batch]) for at in range(0, len(prepared), batch)]
        return np.concatenate([self.model.run(part).probabilities for part in parts])

    def _prepare(self, sample: Labelled, note: Note | None) -> InputArray:
        data = sample.read()
        if note is not None:
            note(sample, data)
        try:
            return self.preprocessor.prepare(data)
        except StagegateError as error:
            raise Invalid(f"{sample.name}: {error}") from error
