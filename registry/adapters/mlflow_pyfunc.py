"""How MLflow itself loads and runs one of our versions: `mlflow.pyfunc.load_model`.

Input of images: a DataFrame with a column `image` of encoded bytes or of file paths, or a list of
either. Input of rows: a DataFrame with the model's columns, or a list of dictionaries.
Output: a DataFrame with `prediction`, `index` and a column of probability for each label. Of
several labels `prediction` tells those that apply, with `;` between them, and there is no `index`.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.bundle import open_bundle
from registry.adapters.onnx_model import OnnxModel
from registry.adapters.prepare import preprocessor
from registry.documents.preprocessing import Preprocessing
from registry.domain.errors import Invalid
from registry.domain.several import named

COLUMN = "image"
_BATCH = 32


def _load_pyfunc(path: str) -> "BundleModel":
    """MLflow calls this with the folder of the bundle."""
    return BundleModel(Path(path))


class BundleModel:
    """A bundle that answers to MLflow's `predict`."""

    def __init__(self, path: Path) -> None:
        bundle = open_bundle(path)
        self.labels = bundle.manifest.labels
        self.threshold = bundle.manifest.threshold
        document = bundle.preprocessing()
        self.encoded = _images if isinstance(document, Preprocessing) else _rows
        self.preprocessor = preprocessor(document)
        self.model = OnnxModel(bundle.model)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """A DataFrame with one row for each input; there are no parameters."""
        del params
        import pandas as pd

        prepared = [self.preprocessor.prepare(data) for data in self.encoded(model_input)]
        probabilities = self._probabilities(prepared)
        answers = [named(self.labels, row, self.threshold) for row in probabilities.tolist()]
        frame = pd.DataFrame(probabilities.astype(float), columns=list(self.labels))
        frame.insert(0, "prediction", answers)
        if self.threshold is None:
            frame.insert(1, "index", probabilities.argmax(axis=1).astype("int64"))
        return frame

    def _probabilities(self, prepared: Sequence[Any]) -> Any:
        if not prepared:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        parts = [np.stack(prepared[at : at + _BATCH]) for at in range(0, len(prepared), _BATCH)]
        return np.concatenate([self.model.run(part).probabilities for part in parts])


def _images(model_input: Any) -> Iterable[bytes]:
    return (_bytes(value) for value in _column(model_input))


def _rows(model_input: Any) -> Iterable[bytes]:
    import pandas as pd

    frame = pd.DataFrame(model_input)
    plain = frame.astype(object).where(frame.notna(), None)
    return (json.dumps(row).encode() for row in plain.to_dict("records"))


def _column(model_input: Any) -> Iterable[Any]:
    columns = getattr(model_input, "columns", None)
    if columns is None:
        return [model_input] if isinstance(model_input, (bytes, str)) else list(model_input)
    name = COLUMN if COLUMN in columns else columns[0]
    return list(model_input[name])


def _bytes(value: Any) -> bytes:
    """An image from its bytes, its file or the base64 that MLflow makes of bytes in JSON."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (str, Path)) and _is_file(value):
        return Path(value).read_bytes()
    try:
        return base64.b64decode("".join(value.split()), validate=True)  # MLflow breaks its lines
    except (AttributeError, TypeError, ValueError):
        raise Invalid(
            f"an image is its bytes, in JSON as base64, or the path of a file, not"
            f" {str(value)[:80]!r}"
        ) from None


def _is_file(path: str | Path) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long for a path, or with a null in it
        return False
