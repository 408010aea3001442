"""Rows that a table's preprocessing document can be tried with, made of nothing but the document.

Every kind of value comes up: each category, one that was never seen, none at all, and numbers far
and near.
"""

import json
from typing import Any

import numpy as np

from registry.documents.table import Category, Number, TablePreprocessing, Value

_UNSEEN = "never seen in training"
_PROOF_ROWS = 8


def made_rows(document: TablePreprocessing, count: int, draw: np.random.Generator) -> list[bytes]:
    """So many encoded rows."""
    columns = [c for c in document.columns if isinstance(c, Category | Number)]
    return [json.dumps({c.name: _value(c, draw) for c in columns}).encode() for _ in range(count)]


def proof_rows(document: TablePreprocessing) -> dict[str, bytes]:
    """The rows that a bundle keeps, by name."""
    rows = made_rows(document, _PROOF_ROWS, np.random.default_rng(20))
    return {f"row-{i}.json": row for i, row in enumerate(rows)}


def _value(column: Category | Number, draw: np.random.Generator) -> Any:
    if isinstance(column, Number):
        if column.fill is not None and draw.random() < 0.2:
            return None
        return column.mean + column.deviation * float(draw.normal())
    at = int(draw.integers(-2, len(column.values)))
    if at < 0:
        return None if at == -2 else _unseen(column.values)
    return column.values[at]


def _unseen(values: tuple[Value, ...]) -> Value | None:
    if any(isinstance(value, str) for value in values):
        return _UNSEEN
    numbers = [v for v in values if not isinstance(v, bool | str)]
    return max(numbers) + 1 if numbers else None
