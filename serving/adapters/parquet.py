"""Tables as Parquet files: the one door to pyarrow."""

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

_AT_ONCE = 1000


def write(file: Path, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows with all columns, some at a time; what a row does not have is null.

    columns: pyarrow's name of each type, such as int64.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in columns.items()])
    rest = iter(rows)
    with ParquetWriter(file, schema) as out:
        while some := list(islice(rest, _AT_ONCE)):
            out.write_table(pa.Table.from_pylist(some, schema))
