"""The rows of a table as a fastai tabular learner prepares them, in plain arithmetic."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.documents.table import Category, Missing, Number, TablePreprocessing
from registry.domain.errors import Invalid, UnsupportedInput

ROW = "application/json"
_PLAIN = frozenset({int, float})
_LARGEST = float(np.finfo(np.float32).max)
_WORDS = {"boolean": "true or false", "number": "numbers", "text": "texts"}
_Key = tuple[str, object]


class RowPreprocessor:
    """Prepares rows, JSON objects from column to value, for one version's graph."""

    def __init__(self, document: TablePreprocessing) -> None:
        self.document = document
        self._taken = frozenset(document.taken)
        categories = [c for c in document.columns if isinstance(c, Category)]
        self._codes = {
            c.name: {_key(value): i for i, value in enumerate(c.values, 1)} for c in categories
        }
        self._kinds = {c.name: {_key(value)[0] for value in c.values} for c in categories}
        self._coded = [c for c in document.columns if not isinstance(c, Number)]
        self._numbers = list(document.numbers.values())  # the columns behind those with codes
        self._scales = [(c.name, c.mean, c.deviation) for c in self._numbers]

    def prepare(self, data: bytes) -> npt.NDArray[np.float32]:
        """The float32 vector of an encoded row; UnsupportedInput or Invalid names the column."""
        row = self._row(data)
        codes = [self._coded_as(column, row) for column in self._coded]
        numbers = self._plain_numbers(row) or [_scaled(c, row[c.name]) for c in self._numbers]
        return np.array([*codes, *numbers], np.float32)

    def _row(self, data: bytes) -> Mapping[str, Any]:
        try:
            row = json.loads(data, parse_constant=_no_number)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UnsupportedInput(
                "this model reads rows of a table; send application/json with"
                f' {{"inputs": [{{{_named(self.document.taken)}}}]}}'
            )
        absent, foreign = self._taken - row.keys(), row.keys() - self._taken
        if absent or foreign:
            wrong = f"has no {_listed(absent)}" if absent else f"has {_listed(foreign)}"
            raise Invalid(f"the row {wrong}; its columns are {_listed(self.document.taken)}")
        return row

    def _plain_numbers(self, row: Mapping[str, Any]) -> list[float] | None:
        """All columns of numbers at once; None if one is missing or wrong, for another to say."""
        if not _PLAIN.issuperset([type(row[name]) for name, _, _ in self._scales]):
            return None
        with suppress(OverflowError):
            scaled = [(row[name] - mean) / deviation for name, mean, deviation in self._scales]
            if min(scaled, default=0.0) >= -_LARGEST and max(scaled, default=0.0) <= _LARGEST:
                return scaled
        return None

    def _coded_as(self, column: Category | Missing, row: Mapping[str, Any]) -> int:
        if isinstance(column, Missing):
            return column.yes if row[column.of] is None else column.no
        return self._code(column, row[column.name])

    def _code(self, column: Category, value: Any) -> int:
        if value is None:
            return 0
        kinds, key = self._kinds[column.name], _key(value)
        if kinds and key[0] not in kinds:
            words = " or ".join(_WORDS[kind] for kind in sorted(kinds))
            raise Invalid(f"column {column.name!r} takes {words}, not {_shown(value)}")
        return self._codes[column.name].get(key, 0)


def _scaled(column: Number, value: Any) -> float:
    if value is None:
        if column.fill is None:
            raise Invalid(
                f"column {column.name!r} is null, and no number of it was missing in training;"
                " send a number"
            )
        value = column.fill
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid(f"column {column.name!r} takes numbers or null, not {_shown(value)}")
    try:
        scaled = (float(value) - column.mean) / column.deviation
    except OverflowError:
        scaled = math.inf
    if not abs(scaled) <= _LARGEST:
        raise Invalid(f"column {column.name!r} holds {_shown(value)}, which is too large")
    return scaled


def _key(value: Any) -> _Key:
    """What makes two values the same category: 1 is 1.0, but neither "1" nor true."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, (int, float)):
        return "number", value
    return ("text", value) if isinstance(value, str) else ("other", None)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _listed(names: Any) -> str:
    shown = [str(name)[:64] for name in (sorted(names) if isinstance(names, set) else names)]
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(shown[:20]) + more


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name[:64]}": ...' for name in names[:3]) + (", ..." * (len(names) > 3))


def _shown(value: Any) -> str:
    return json.dumps(value)[:64]
