"""`stagegate review export`: what people decided, as a training set.

A folder of images by label and a table beside it, which fastai's `ImageDataLoaders.from_df` and
MLflow's `mlflow.data.from_pandas` read as they are.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from console.cli.review_table import Rows
from console.cli.session import Session, session
from registry.adapters.scratch_folders import folder_beside
from registry.domain.errors import Invalid

if TYPE_CHECKING:
    from console.client import Client

PAGE = 200
NONE_FITS = "_none_of_these"
_LONGEST_NAME = 200
_NAMED = 5
_ENDINGS = {
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/bmp": ".bmp",
    "image/webp": ".webp", "application/json": ".json",
}  # fmt: skip
Row = dict[str, Any]


class Kind(StrEnum):
    """How the table is written."""

    PARQUET = "parquet"
    CSV = "csv"


def export(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    kind: Annotated[Kind, typer.Option("--format", help="How the table is written.")] = (
        Kind.PARQUET
    ),
    since: Annotated[
        datetime | None, typer.Option(help="Only what was decided since then, in UTC.")
    ] = None,
    training_data: Annotated[
        Path | None,
        typer.Option(help="Its training images by label: names those that may be mislabelled."),
    ] = None,
) -> None:
    """Write what people decided as a training set: images by label, and a table."""
    here = session(context)
    if output.exists():
        raise Invalid(f"{output} is there already; name a new folder")
    # Whole or not at all: what stands under the name was written to its end.
    with folder_beside(output) as made:
        folder = made / "export"
        folder.mkdir()
        with here.client() as client:
            rows, found = _gather(_rows(client, model, since, folder), made / "rows")
        table = _write_table(rows, folder, kind)
        suspects = _suspects(here, model, rows, folder, training_data) if training_data else None
        rows.close()
        folder.rename(output)
    found = {"folder": os.fspath(output), "table": table, **found, "suspects": suspects}
    here.show(found, lambda: _text(found))


def _gather(rows: Iterable[Row], file: Path) -> tuple[Rows, Row]:
    """The rows, kept on the disk, with what is to be said of them."""
    kept, deleted = Rows(file), list[str]()
    count = corrected = 0
    for row in rows:
        kept.add(row)
        count, corrected = count + 1, corrected + (not row["agrees"])
        deleted += [row["item_id"]] if row["file"] is None else []
    images = count - len(deleted)
    return kept, {"rows": count, "images": images, "corrected": corrected, "deleted": deleted}


def _rows(client: "Client", model: str, since: datetime | None, folder: Path) -> Iterator[Row]:
    """Each decided item with its image stored; an image that is gone leaves its row without."""
    from console.client import Refused

    after = ""
    while True:
        asked: dict[str, Any] = {"model": model, "after": after, "limit": PAGE}
        if since is not None:
            asked["since"] = since.replace(tzinfo=since.tzinfo or UTC).isoformat()
        page = client.get("/v1/review/corrections", **asked)["corrections"]
        for row in page:
            after = row["item_id"]
            place = _place(row)
            try:
                data = client.download(f"/v1/review/{row['item_id']}/payload")
            except Refused as error:
                if error.status != 404:
                    raise
                yield {"file": None, **row}
                continue
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(data)
            yield {"file": place.as_posix(), **row}
        if len(page) < PAGE:
            return


def _place(row: Mapping[str, Any]) -> Path:
    """Where an image goes; a label may be any text, so it is written as a name of a file."""
    label = row["label"]
    name = NONE_FITS if label is None else quote(label, safe=" ()+,=@")
    name = name.replace(".", "%2E") if name.strip(".") == "" else name
    if len(name) > _LONGEST_NAME:  # no file system takes it; the digest keeps two of them apart
        name = f"{name[: _LONGEST_NAME - 17]}-{sha256(label.encode()).hexdigest()[:16]}"
    image = quote(row["prediction_id"], safe="")
    return Path("images", name, image + _ENDINGS.get(row["payload_type"], ".bin"))


def _write_table(rows: Rows, folder: Path, kind: Kind) -> str:
    file = folder / f"corrections.{kind}"
    if kind is Kind.CSV:
        rows.write_csv(file)
    else:
        rows.write_parquet(file)
    return file.name


def _suspects(here: Session, model: str, rows: Rows, folder: Path, training: Path) -> int:
    """Training images close to corrections that they disagree with, in suspects.csv."""
    import pandas as pd

    from console.wiring import Wiring
    from registry.adapters.database.unit_of_work import SqlUnitOfWork
    from serving.adapters.suspects import suspects

    if here.server:
        raise Invalid("--training-data works on the home of this machine; leave --server out")
    wiring = Wiring(here.settings())
    with wiring.database.read() as connection:
        version = SqlUnitOfWork(connection).versions.list(model)[-1]
    found = suspects(wiring.bundles.fetch(version), version.labels, training, folder, rows)
    pd.DataFrame(found, columns=list(_SUSPECT)).to_csv(folder / "suspects.csv", index=False)
    return len(found)


_SUSPECT = ("training_file", "training_label", "found_label", "similarity", "file")


def _text(found: Mapping[str, Any]) -> str:
    if not found["rows"]:
        return f"Nobody has decided anything yet; {found['folder']} has an empty table."
    gone = found["deleted"]
    lines = [
        f"{found['rows']} decided answers, {found['corrected']} of them corrected, in"
        f" {found['folder']}/{found['table']}; images beside it by label."
    ]
    if gone:
        named = ", ".join(gone[:_NAMED]) + (", …" if len(gone) > _NAMED else "")
        lines.append(
            f"{len(gone)} images are no longer stored; their rows have no file: items {named}."
        )
    if found["suspects"] is not None:
        lines.append(f"{found['suspects']} training images may be mislabelled: suspects.csv.")
    return "\n".join(lines)
