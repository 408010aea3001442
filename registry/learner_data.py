"""What a fastai learner in a notebook was trained and validated on, as files to register by."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from registry.domain.errors import Invalid

_NOT_KEPT = (
    "this learner does not read image files, so its training set cannot be used as it is; give"
    " training_data and calibration_data"
)


def own_data(dls: Any, folder: Path) -> tuple[Path, Path]:
    """Training and validation data of a learner's DataLoaders, written below the folder.

    Images become links in folders by label, or in one where each has several. Rows become Parquet
    with the values as they were before the learner's processes; numbers that it normalised come
    back to float32's precision.
    """
    write = _rows if hasattr(dls, "cont_names") else _images
    training, validation = dls.train_ds, dls.valid_ds
    return (
        write(training, dls, folder / "training"),
        write(validation, dls, folder / "validation"),
    )


def _images(dataset: Any, dls: Any, place: Path) -> Path:
    for number, (path, label) in enumerate(_labelled(dataset, dls.vocab)):
        folder = place / label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}{path.suffix}").symlink_to(path.resolve())
    return place


def _labelled(dataset: Any, vocab: Sequence[Any]) -> Iterator[tuple[Path, str]]:
    items: Iterable[Any] = dataset.items
    targets: Sequence[Any] = getattr(dataset, "tls", ())
    if len(targets) != 2:
        raise Invalid(_NOT_KEPT)
    for item, label in zip(items, targets[1], strict=True):
        if not isinstance(item, Path):
            raise Invalid(_NOT_KEPT)
        several = getattr(label, "ndim", 0) > 0
        yield item, "images" if several else str(vocab[int(label)])


def _rows(table: Any, dls: Any, place: Path) -> Path:
    """A table of the columns that were given, as they were given."""
    del dls
    fillers = [p for p in table.procs.fs if type(p).__name__ == "FillMissing" and p.add_col]
    was_missing = {f"{name}_na": name for filler in fillers for name in filler.na_dict}
    frame = table.new(table.items).decode().items  # of a copy: decoding works in place
    for marker, name in was_missing.items():
        frame[name] = frame[name].mask(table.items[marker] == _code_of_missing(table, marker))
    categories = [name for name in table.cat_names if name not in was_missing]
    for name in categories:
        frame[name] = frame[name].astype(object).replace({"#na#": None})
    path = place.with_suffix(".parquet")
    frame[[*categories, *table.cont_names, *table.y_names]].to_parquet(path)
    return path


def _code_of_missing(table: Any, marker: str) -> int:
    return list(table.classes[marker]).index(True)
