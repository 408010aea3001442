"""What an input looks like beside the training data of the version that was asked about it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitoring.domain.input_statistics import statistics_of
from monitoring.domain.placing import Placed, codes_of, place
from monitoring.ports import References
from registry.adapters.bundle import open_bundle
from registry.adapters.prepare import Preprocessor, preprocessor
from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.versions import ModelVersion


class BundleInputs:
    """Reads inputs as a version's bundle says; `fetch` gives the directory of a bundle."""

    def __init__(
        self, fetch: Callable[[ModelVersion], Path], references: References, max_pixels: int
    ) -> None:
        self._fetch = fetch
        self._references = references
        self._max_pixels = max_pixels
        self._engines: dict[str, tuple[AnyPreprocessing, Preprocessor]] = {}

    def compare(self, version: ModelVersion, data: bytes) -> tuple[Placed, ...]:
        """Its values among the version's training data, the oddest first.

        NotFound for a version without them; Invalid for an input that the version cannot read.
        """
        profile = self._references.get(version).profile
        document, engine = self._engine(version)
        values = statistics_of(engine.prepare(data)[None], document.seen)
        single = {name: float(of[0]) for name, of in values.items()}
        return place(profile, single, codes_of(document.seen), _row(data))

    def _engine(self, version: ModelVersion) -> tuple[AnyPreprocessing, Preprocessor]:
        """Two threads may both make it; it never changes under a bundle's digest."""
        if version.digest not in self._engines:
            document = open_bundle(self._fetch(version)).preprocessing()
            self._engines[version.digest] = document, preprocessor(document, self._max_pixels)
        return self._engines[version.digest]


def _row(data: bytes) -> Mapping[str, Any]:
    """The cells of a row as they were sent; an image has none."""
    if not data.lstrip().startswith(b"{"):
        return {}
    row = json.loads(data)
    return row if isinstance(row, dict) else {}
