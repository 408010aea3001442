"""The exposures of a promotion as JSON: columns as the bytes of their numbers, exactly."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from registry.domain.evidence_log import SettledTraffic
from registry.domain.exposure import ExposureTable, joined
from registry.domain.segments import Values

_COLUMNS = {
    "numbers": "<i8",
    "units": "<i8",
    "candidate": "|b1",
    "shares": "<f8",
    "steps": "<i4",
    "failed": "|b1",
    "answer_ms": "<f8",
    "created": "<f8",
}
# What promotions that were judged by the first form did not look at, nor hash.
_SINCE_FORM_2 = {"epochs": "<i4"}
_ALL = {**_COLUMNS, **_SINCE_FORM_2}
_STREAMED = 3  # the first form that is hashed as rows come by


class ExposureHash:
    """What exposures are hashed as, from portions that come one by one, however they are cut.

    Of each column the digest of its numbers. form: earlier ones hash all rows as one record, so
    these are kept until then.
    """

    def __init__(self, form: int) -> None:
        self._form = form
        self._columns = {name: hashlib.sha256() for name in _ALL}
        self._actions = _Codes()
        self._segments: dict[str, _Codes] = {}
        self._whole: list[ExposureTable] = []

    def add(self, table: ExposureTable) -> None:
        """The rows that come next."""
        if self._form < _STREAMED:
            self._whole.append(table)
            return
        for name, kind in _ALL.items():
            self._columns[name].update(_bytes(getattr(table, name), kind))
        self._actions.add(Values.of(table.actions))
        for name, values in table.segments.items():
            self._segments.setdefault(name, _Codes()).add(values)

    def record(self) -> dict[str, Any]:
        """What stands for the rows in the digest of a log."""
        if self._form < _STREAMED:
            return exposures_record(joined(self._whole), self._form)
        return {
            **{name: hashed.hexdigest() for name, hashed in self._columns.items()},
            "actions": self._actions.record(),
            "segments": {name: codes.record() for name, codes in self._segments.items()},
        }


def exposures_record(table: ExposureTable, form: int = 2) -> dict[str, Any]:
    """The table; `exposures_of` gives it back."""
    kinds = _COLUMNS if form == 1 else _ALL
    names = sorted({action for action in table.actions if action is not None})
    places = {name: place for place, name in enumerate(names)}
    codes = [-1 if action is None else places[action] for action in table.actions]
    columns = {name: text_of(getattr(table, name), kind) for name, kind in kinds.items()}
    parts = {name: _values_record(values) for name, values in table.segments.items()}
    return {
        **columns,
        "names": names,
        "actions": text_of(np.array(codes, np.int32), "<i4"),
        **({"segments": parts} if parts else {}),
    }


def exposures_of(record: Mapping[str, Any]) -> ExposureTable:
    """The table that `exposures_record` described."""
    columns = {name: array_of(record[name], kind) for name, kind in _COLUMNS.items()}
    epochs = (
        array_of(record["epochs"], "<i4")
        if "epochs" in record
        else np.zeros(len(columns["numbers"]), np.int32)
    )
    names = record["names"]
    codes = array_of(record["actions"], "<i4").tolist()
    return ExposureTable(
        **columns,
        epochs=epochs,
        actions=[names[code] if code >= 0 else None for code in codes],
        segments={n: _values_of(part) for n, part in record.get("segments", {}).items()},
    )


class _Codes:
    """A column of values: each distinct one once, as they first came, and the digest of places."""

    def __init__(self) -> None:
        self._places: dict[str | None, int] = {}
        self._hashed = hashlib.sha256()

    def add(self, values: Values) -> None:
        if not len(values):
            return
        places, distinct = self._places, values.distinct
        present, first = np.unique(values.codes, return_index=True)
        for code in present[np.argsort(first)].tolist():
            places.setdefault(distinct[code], len(places))
        own = np.array([places.get(value, -1) for value in distinct], np.int32)
        self._hashed.update(_bytes(own[values.codes], "<i4"))

    def record(self) -> dict[str, Any]:
        return {"values": list(self._places), "codes": self._hashed.hexdigest()}


def _values_record(values: Values) -> dict[str, Any]:
    """The values in order of their first row, so that equal columns are written alike."""
    again = Values.of(values.listed())
    return {"values": list(again.distinct), "codes": text_of(again.codes, "<i4")}


def _values_of(record: Mapping[str, Any]) -> Values:
    return Values(array_of(record["codes"], "<i4"), tuple(record["values"]))


def traffic_record(traffic: SettledTraffic | None) -> dict[str, Any] | None:
    """Which exposures there were; they never change."""
    if traffic is None:
        return None
    until = traffic.until.astimezone(UTC).isoformat(timespec="microseconds")
    said = {"until": until, "rows": traffic.rows}
    return said if traffic.form == 1 else {**said, "form": traffic.form}


def until_of(snapshot: Mapping[str, Any]) -> datetime | None:
    """Up to when a promotion looked at exposures; None if it did not."""
    record = snapshot["traffic"]
    return None if record is None else datetime.fromisoformat(record["until"])


def form_of(snapshot: Mapping[str, Any]) -> int:
    """In which form they were hashed."""
    return int((snapshot["traffic"] or {}).get("form", 1))


def text_of(column: Any, kind: str) -> str:
    """A column as the bytes of its numbers."""
    return base64.b64encode(_bytes(column, kind)).decode()


def _bytes(column: Any, kind: str) -> bytes:
    return np.ascontiguousarray(column, dtype=kind).tobytes()


def array_of(text: str, kind: str) -> Any:
    """The column that `text_of` wrote down."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
