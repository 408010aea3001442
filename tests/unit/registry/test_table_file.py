"""Training rows from CSV and Parquet."""

from pathlib import Path

import pandas as pd
import pytest

from registry.adapters.samples import AnySamples
from registry.documents.table import Category, Number, TablePreprocessing
from registry.domain.errors import Invalid

DOCUMENT = TablePreprocessing(
    columns=(Category(name="wind", values=("N",)), Number(name="rain", fill=1.0)), label="air"
)
FRAME = pd.DataFrame(
    {"wind": ["N", None], "rain": [0.1, float("nan")], "air": [1, 0], "note": ["a", "b"]}
)


def rows(path: Path, labels: tuple[str, ...] = ("0", "1")) -> list[tuple[bytes, int]]:
    return [(row.read(), row.label) for row in AnySamples().read(path, labels, DOCUMENT)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rows_keep_their_values_and_lose_other_columns(ending: str, tmp_path: Path):
    path = tmp_path / f"rows.{ending}"
    FRAME.to_csv(path, index=False) if ending == "csv" else FRAME.to_parquet(path)
    wanted = [(b'{"wind": "N", "rain": 0.1}', 1), (b'{"wind": null, "rain": null}', 0)]
    assert rows(path) == wanted


def test_a_row_names_its_file_and_number(tmp_path: Path):
    FRAME.to_csv(tmp_path / "rows.csv")
    second = AnySamples().read(tmp_path / "rows.csv", ("0", "1"), DOCUMENT)[1]
    assert second.name == "rows.csv, row 2"
    assert second.file(tmp_path).read_bytes() == second.read()


@pytest.mark.parametrize(
    ("frame", "labels", "words"),
    [
        (FRAME.drop(columns="rain"), ("0", "1"), "no column 'rain'; the model was trained on wind"),
        (FRAME.drop(columns="air"), ("0", "1"), "no column 'air'"),
        (FRAME[:0], ("0", "1"), "holds no rows"),
        (FRAME, ("1", "2"), r"does not know: 0 \(1 rows\); it knows 1, 2"),
    ],
)
def test_a_file_that_does_not_fit_the_model_is_refused(
    frame: pd.DataFrame, labels: tuple[str, ...], words: str, tmp_path: Path
):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(Invalid, match=words):
        rows(tmp_path / "rows.csv", labels)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_file_that_is_no_table_is_refused(name: str, tmp_path: Path):
    with pytest.raises(Invalid, match="is no file"):
        rows(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x00\xff\xfe")
    with pytest.raises(Invalid, match=r"cannot be read|no column"):
        rows(tmp_path / name)
