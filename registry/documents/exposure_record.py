"""The exposures of a promotion as JSON: columns as the bytes of their numbers, exactly."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from registry.domain.evidence_log import LATEST_FORM, SettledTraffic
from registry.domain.exposure import ExposureTable
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
# What promotions that were judged earlier did not look at, nor hash.
_SINCE_FORM_2 = {"epochs": "<i4"}


def exposures_record(table: ExposureTable, form: int = LATEST_FORM) -> dict[str, Any]:
    """The table; `exposures_of` gives it back."""
    kinds = _COLUMNS if form < LATEST_FORM else {**_COLUMNS, **_SINCE_FORM_2}
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
    said = {"until": until, "rows": len(traffic.exposures)}
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
    return base64.b64encode(np.ascontiguousarray(column, dtype=kind).tobytes()).decode()


def array_of(text: str, kind: str) -> Any:
    """The column that `text_of` wrote down."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype=kind)
