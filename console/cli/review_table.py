"""A table that is written row by row, since nobody knows how many corrections there are.

The rows wait in a file until all columns are known: versions differ in their labels.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_COLUMN = {bool: "bool", int: "int64", float: "float64", str: "string"}


class Rows:
    """Rows on the disk, each a flat mapping, and which columns they have."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._out = file.open("w", encoding="utf-8")
        self._columns: dict[str, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row."""
        self._out.write(json.dumps(row) + "\n")
        for name, value in row.items():
            seen, now = self._columns.get(name), _COLUMN.get(type(value))
            both_numbers = {seen, now} == {"int64", "float64"}
            self._columns[name] = "float64" if both_numbers else now or seen or ""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every row again, from the first."""
        self._out.flush()
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def write_csv(self, file: Path) -> None:
        """All rows with all columns; what a row does not have is empty."""
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, list(self._columns), restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(self)

    def write_parquet(self, file: Path) -> None:
        """The same; what a row does not have is null."""
        from serving.adapters.parquet import write

        write(file, {name: kind or "string" for name, kind in self._columns.items()}, self)

    def close(self) -> None:
        """Delete what is not the table."""
        self._out.close()
        self._file.unlink()
