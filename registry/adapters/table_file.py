"""Training rows: a CSV or Parquet file with a column for each input, and one for the label."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from registry.documents.table import TablePreprocessing
from registry.domain.errors import Invalid
from registry.registration import LabelledRow

_PARQUET = frozenset({".parquet", ".pq"})


class TableFiles:
    """Reads which rows a file holds."""

    def read(
        self, path: Path, labels: Sequence[str], preprocessing: TablePreprocessing
    ) -> tuple[LabelledRow, ...]:
        """All rows of the file, in order, without the columns that the model does not take."""
        if preprocessing.label is None:
            raise Invalid(f"{path.name}: the preprocessing names no column that holds the labels")
        frame = _frame(path)
        wanted = [*preprocessing.taken, preprocessing.label]
        absent = [name for name in wanted if name not in frame.columns]
        if absent or not len(frame):
            lacks = f"has no column {absent[0]!r}" if absent else "holds no rows"
            raise Invalid(f"{path} {lacks}; the model was trained on {', '.join(wanted)}")
        places = _places(path, frame[preprocessing.label], labels)
        rows = _rows(path, frame[list(preprocessing.taken)])
        return tuple(
            LabelledRow(path.name, i, row, place)
            for i, (row, place) in enumerate(zip(rows, places, strict=True), 1)
        )


def _frame(path: Path) -> Any:
    import pandas as pd

    if not path.is_file():
        raise Invalid(
            f"{path} is no file; a model of rows is registered with a CSV or Parquet file"
        )
    try:
        return pd.read_parquet(path) if path.suffix in _PARQUET else pd.read_csv(path)
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read as CSV or Parquet: {error}") from error


def _places(path: Path, column: Any, labels: Sequence[str]) -> list[int]:
    index = {label: i for i, label in enumerate(labels)}
    said = [str(value) for value in column.tolist()]
    unknown = Counter(label for label in said if label not in index)
    if unknown:
        names = ", ".join(f"{name} ({count} rows)" for name, count in unknown.most_common(5))
        raise Invalid(
            f"{path} has labels in column {column.name!r} that the model does not know: {names}; it"
            f" knows {', '.join(labels)}"
        )
    return [index[label] for label in said]


def _rows(path: Path, frame: Any) -> list[bytes]:
    plain = frame.astype(object).where(frame.notna(), None)
    try:
        return [json.dumps(row, allow_nan=False).encode() for row in plain.to_dict("records")]
    except (TypeError, ValueError) as error:
        raise Invalid(f"{path} has a column that JSON cannot hold: {error}") from error
