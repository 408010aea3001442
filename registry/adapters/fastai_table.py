"""What a fastai tabular export says, read from inert records: columns, labels, network.

A row goes through FillMissing, Categorify and Normalize, whichever the learner has; another
process is refused by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.adapters.fastai_batch import refusal
from registry.adapters.fastai_export import (
    activation,
    attribute,
    labels_of,
    listed,
    python_version,
)
from registry.adapters.inert_pickle import InertArchive, Record
from registry.adapters.inert_values import scalar
from registry.documents.table import Category, Column, Missing, Number, TablePreprocessing

LEARNER = "fastai.tabular.learner.TabularLearner"
_CORE = "fastai.tabular.core"
_FILL, _CATEGORIFY = f"{_CORE}.FillMissing", f"{_CORE}.Categorify"
_NORMALIZE, _TARGET = "fastai.data.transforms.Normalize", "fastai.data.transforms.Categorize"


@dataclass(frozen=True, slots=True)
class TableExport:
    """A fastai tabular classifier as plain values, and the records of its network."""

    labels: tuple[str, ...]
    preprocessing: TablePreprocessing
    activation: str
    model: Any
    python: str | None
    threshold: float | None = None  # a row has one label


def read_table_export(archive: InertArchive) -> TableExport:
    """The classifier in an archive; Invalid says what is not supported, and the way out."""
    learner = archive.root
    table = _table(learner)
    processes = {p.name: p for p in _processes(table)}
    foreign = processes.keys() - {_FILL, _CATEGORIFY, _NORMALIZE, _TARGET}
    if foreign:
        raise refusal(f"the process {min(foreign)} cannot be converted exactly")
    if _TARGET not in processes:
        raise refusal("the export's targets are no categories; only classifiers are supported")
    targets = _names(table, "y_names")
    if len(targets) != 1:
        raise refusal(f"the export predicts {len(targets)} columns; one is needed")
    return TableExport(
        labels=labels_of(processes[_TARGET].get("vocab")),
        preprocessing=_preprocessing(table, processes, targets[0]),
        activation=activation(learner.get("loss_func")),
        model=learner.get("model"),
        python=python_version(archive.root),
    )


def _table(learner: Record) -> Record:
    loaders = listed(attribute(learner, "dls").get("loaders"))
    if not loaders or not isinstance(loaders[0], Record):
        raise refusal("the export has no DataLoader, whose processes predict uses")
    return attribute(loaders[0], "dataset")


def _processes(table: Record) -> Iterator[Record]:
    for process in listed(attribute(table, "procs").get("fs")):
        if not isinstance(process, Record):
            raise refusal(f"the export's processes hold a {type(process).__name__}")
        yield process


def _names(table: Record, which: str) -> list[str]:
    names = listed(table.get(which))
    if not all(isinstance(name, str) for name in names):
        raise refusal(f"the export's {which} are {names!r}; texts are expected")
    return names


def _preprocessing(
    table: Record, processes: Mapping[str, Record], target: str
) -> TablePreprocessing:
    fill, means = processes.get(_FILL), processes.get(_NORMALIZE)
    fills = _plain(fill, "na_dict")
    indicators = {f"{n}_na": n for n in fills} if fill is not None and fill.get("add_col") else {}
    classes = _mapping(processes.get(_CATEGORIFY), "classes")
    codes = [_codes(n, classes, indicators) for n in _names(table, "cat_names")]
    scales = _plain(means, "means"), _plain(means, "stds")
    numbers = [_number(n, fills, scales) for n in _names(table, "cont_names")]
    try:
        return TablePreprocessing(columns=(*codes, *numbers), label=target)
    except ValueError as error:
        raise refusal(f"the export's columns cannot be converted: {error}") from error


def _codes(name: str, classes: Mapping[str, Any], indicators: Mapping[str, str]) -> Column:
    if name not in classes:
        raise refusal(f"the export has no categories for its column {name!r}; use Categorify")
    values = [scalar(value) for value in listed(classes[name])]
    if not values or values[0] != "#na#":
        raise refusal(f"the categories of {name!r} do not begin with #na#")
    if name in indicators:
        places = {value: i for i, value in enumerate(values)}
        no, yes = places.get(False, 0), places.get(True, 0)
        return Missing(name=name, of=indicators[name], no=no, yes=yes)
    try:
        return Category(name=name, values=tuple(values[1:]))
    except ValueError as error:
        raise refusal(
            f"the categories of {name!r} are not texts, numbers or booleans: {values[1:4]!r}"
        ) from error


def _number(
    name: str, fills: Mapping[str, float], scales: tuple[Mapping[str, float], Mapping[str, float]]
) -> Number:
    means, deviations = scales
    if (name in means) != (name in deviations) or (means and name not in means):
        raise refusal(f"the export's Normalize has no mean or deviation for {name!r}")
    fill, mean, deviation = fills.get(name), means.get(name, 0.0), deviations.get(name, 1.0)
    try:
        return Number(name=name, fill=fill, mean=mean, deviation=deviation)
    except ValueError as error:
        raise refusal(f"the export's column {name!r} cannot be scaled: {error}") from error


def _mapping(owner: Record | None, name: str) -> Mapping[str, Any]:
    found = owner.get(name) if owner is not None else {}
    if isinstance(found, Record):
        found = dict(found.items)
    if not isinstance(found, Mapping):
        raise refusal(f"the export's {name} are no table of columns")
    return found


def _plain(owner: Record | None, name: str) -> dict[str, float]:
    found = {key: scalar(value) for key, value in _mapping(owner, name).items()}
    wrong = [v for v in found.values() if isinstance(v, bool) or not isinstance(v, (int, float))]
    if wrong:
        raise refusal(f"the export's {name} hold {wrong[0]!r} where numbers are expected")
    return {key: float(value) for key, value in found.items()}
