"""A table of rows that do not all have the same columns."""

from pathlib import Path

import pandas as pd
import pytest

from console.cli.review_table import Rows

ROWS = (
    {"file": None, "label": "glass", "version": 1, "agrees": True, "probability_glass": 0.5},
    {"file": "a.png", "label": None, "version": None, "agrees": False, "probability_metal": 1},
    {"file": "b,\n.png", "label": "é", "version": 2, "agrees": True, "probability_metal": 0.25},
)


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    made = Rows(tmp_path / "rows")
    for row in ROWS:
        made.add(row)
    return made


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_versions_of_different_labels_share_a_table(rows: Rows, tmp_path: Path, kind: str):
    file = tmp_path / f"table.{kind}"
    getattr(rows, f"write_{kind}")(file)
    rows.close()
    frame = getattr(pd, f"read_{kind}")(file)
    assert list(frame["file"].fillna("")) == ["", "a.png", "b,\n.png"]
    assert list(frame["label"].fillna("")) == ["glass", "", "é"]
    assert list(frame["agrees"]) == [True, False, True]
    assert list(frame["version"].fillna(0)) == [1, 0, 2]
    assert list(frame["probability_metal"].fillna(-1)) == [-1, 1, 0.25]
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_rows_make_an_empty_table(tmp_path: Path, kind: str):
    none = Rows(tmp_path / "rows")
    getattr(none, f"write_{kind}")(tmp_path / "table")
    none.close()
    assert list(tmp_path.iterdir()) == [tmp_path / "table"]
