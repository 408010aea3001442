"""Rows of a table: what each column makes of a value, and what it refuses."""

import json
from typing import Any

import numpy as np
import pytest

from registry.adapters.made_rows import made_rows, proof_rows
from registry.adapters.row_values import RowPreprocessor
from registry.documents.preprocessing import read_preprocessing
from registry.documents.table import Category, Missing, Number, TablePreprocessing
from registry.domain.errors import Invalid, UnsupportedInput

DOCUMENT = TablePreprocessing(
    columns=(
        Category(name="wind", values=("N", "E")),
        Category(name="month", values=(3, 4)),
        Category(name="dry", values=(False, True)),
        Missing(name="rain_na", of="rain"),
        Number(name="warmth", mean=10.0, deviation=4.0),
        Number(name="rain", fill=2.0, mean=1.0, deviation=0.5),
    ),
    label="air",
)
ROW = {"wind": "E", "month": 3, "dry": False, "warmth": 12, "rain": 1.5}


def prepared(**changes: Any) -> list[float]:
    return RowPreprocessor(DOCUMENT).prepare(json.dumps(ROW | changes).encode()).tolist()


def test_categories_become_codes_and_numbers_are_scaled():
    assert prepared() == [2, 1, 1, 1, 0.5, 1.0]


@pytest.mark.parametrize("value", [None, "NNW", "", "e"])
def test_a_category_that_is_missing_or_was_never_seen_has_code_nought(value: str | None):
    assert prepared(wind=value)[0] == 0


def test_a_missing_number_is_filled_and_said_to_be_missing():
    assert prepared(rain=None)[3:] == [2, 0.5, 2.0]


@pytest.mark.parametrize(("value", "code"), [(4.0, 2), (4, 2), (5, 0), (None, 0)])
def test_numbers_are_the_same_category_however_they_are_written(value: Any, code: int):
    assert prepared(month=value)[1] == code


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"month": "3"}, "'month' takes numbers, not \"3\""),
        ({"month": True}, "'month' takes numbers, not true"),
        ({"dry": 0}, "'dry' takes true or false, not 0"),
        ({"wind": 3}, "'wind' takes texts, not 3"),
        ({"wind": ["N"]}, "'wind' takes texts"),
        ({"warmth": None}, "'warmth' is null"),
        ({"warmth": "12"}, "'warmth' takes numbers or null"),
        ({"warmth": True}, "'warmth' takes numbers or null"),
        ({"warmth": 1e300}, "'warmth' holds 1e\\+300, which is too large"),
        ({"warmth": 10**400}, "'warmth' holds 1000.*too large"),
        ({"air": "good"}, "has air; its columns are wind, month, dry, warmth, rain"),
    ],
)
def test_a_value_that_its_column_cannot_take_is_named(changes: dict[str, Any], words: str):
    with pytest.raises(Invalid, match=words):
        prepared(**changes)


def test_a_column_that_is_absent_is_named():
    row = {name: value for name, value in ROW.items() if name != "rain"}
    with pytest.raises(Invalid, match="has no rain"):
        RowPreprocessor(DOCUMENT).prepare(json.dumps(row).encode())


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"[1]", b'"row"', b'{"warmth": NaN}', b"{"])
def test_what_is_no_row_is_unsupported(data: bytes):
    with pytest.raises(UnsupportedInput, match=r'send application/json with \{"inputs"'):
        RowPreprocessor(DOCUMENT).prepare(data)


def test_numbers_are_reckoned_in_64_bits():
    column = Number(name="x", mean=1e8, deviation=3.0)
    prepare = RowPreprocessor(TablePreprocessing(columns=(column,))).prepare
    assert prepare(b'{"x": 100000001.5}') == np.float32(0.5)


def test_a_document_reads_as_it_was_written():
    assert read_preprocessing(DOCUMENT.document()) == DOCUMENT
    assert DOCUMENT.shape == (6,)
    assert DOCUMENT.taken == ("wind", "month", "dry", "warmth", "rain")


@pytest.mark.parametrize(
    "columns",
    [
        [],
        [{"op": "number", "name": "a"}, {"op": "category", "name": "b", "values": []}],
        [{"op": "number", "name": "a"}, {"op": "number", "name": "a"}],
        [{"op": "missing", "name": "a_na", "of": "a"}],
        [{"op": "number", "name": "a", "deviation": 0}],
        [{"op": "category", "name": "a", "values": [None]}],
        [{"op": "guess", "name": "a"}],
    ],
)
def test_a_document_that_makes_no_sense_is_invalid(columns: list[dict[str, Any]]):
    document = {"schema_version": 1, "kind": "table", "columns": columns}
    with pytest.raises(Invalid, match=r"preprocessing\.json"):
        read_preprocessing(json.dumps(document).encode())


def test_rows_made_of_the_document_show_every_kind_of_value_and_can_all_be_prepared():
    rows = made_rows(DOCUMENT, 200, np.random.default_rng(0))
    prepare = RowPreprocessor(DOCUMENT).prepare
    found = np.stack([prepare(row) for row in rows])
    assert set(found[:, 0]) == {0, 1, 2}
    assert set(found[:, 3]) == {1, 2}
    assert b"never seen" in b"".join(rows)
    assert proof_rows(DOCUMENT) == proof_rows(DOCUMENT)
