"""Reading a tabular learner's records: what is kept, and what is refused by name."""

import struct
from typing import Any

import pytest
from inert_records import listed, record

from registry.adapters.fastai_table import read_table_export
from registry.adapters.inert_pickle import InertArchive, Record, Report
from registry.adapters.inert_values import scalar
from registry.documents.table import Category, Missing, Number
from registry.domain.errors import Invalid

CORE = "fastai.tabular.core"


def numpy(layout: str, value: Any, kind: str) -> Record:
    data = record("_codecs.encode", struct.pack(layout, value).decode("latin1"), "latin1")
    return record("numpy._core.multiarray.scalar", record("numpy.dtype", kind), data)


def classes(*values: Any) -> Record:
    return record("fastai.data.transforms.CategoryMap", items=listed("#na#", *values))


FILL = record(f"{CORE}.FillMissing", na_dict={"rain": numpy("<f", 2.5, "f4")}, add_col=True)
CATEGORIFY = record(
    f"{CORE}.Categorify",
    classes={
        "month": classes(numpy("<b", 3, "i1"), numpy("<b", 4, "i1")),
        "rain_na": classes(numpy("<?", False, "b1"), numpy("<?", True, "b1")),
    },
)
NORMALIZE = record(
    "fastai.data.transforms.Normalize",
    means={"warmth": numpy("<d", 10.0, "f8"), "rain": 1.0},
    stds={"warmth": 4.0, "rain": 0.5},
)
TARGET = record(
    "fastai.data.transforms.Categorize",
    vocab=record("fastai.data.transforms.CategoryMap", items=listed("bad", "good")),
)
PROCESSES = (FILL, CATEGORIFY, TARGET, NORMALIZE)


def learner(
    *processes: Record,
    categories: tuple[Any, ...] = ("month", "rain_na"),
    numbers: tuple[Any, ...] = ("warmth", "rain"),
    targets: tuple[Any, ...] = ("air",),
) -> Record:
    table = record(
        f"{CORE}.TabularPandas",
        procs=record("Pipeline", fs=listed(*(processes or PROCESSES))),
        cat_names=listed(*categories),
        cont_names=listed(*numbers),
        y_names=listed(*targets),
    )
    loader = record(f"{CORE}.TabWeightedDL", dataset=table)
    return record(
        "fastai.tabular.learner.TabularLearner",
        dls=record("fastai.tabular.data.TabularDataLoaders", loaders=[loader, loader]),
        loss_func=record("fastai.losses.CrossEntropyLossFlat"),
        model="model",
    )


def read(root: Record) -> Any:
    return read_table_export(InertArchive(root, Report((), (), {}), {}))


def test_a_tabular_classifier_is_read():
    export = read(learner())
    assert export.labels == ("bad", "good")
    assert export.activation == "softmax"
    assert export.preprocessing.label == "air"
    assert export.preprocessing.columns == (
        Category(name="month", values=(3, 4)),
        Missing(name="rain_na", of="rain", no=1, yes=2),
        Number(name="warmth", fill=None, mean=10.0, deviation=4.0),
        Number(name="rain", fill=2.5, mean=1.0, deviation=0.5),
    )


def test_without_an_indicator_column_a_missing_number_is_only_filled():
    fill = record(f"{CORE}.FillMissing", na_dict={"rain": 2.5}, add_col=False)
    export = read(learner(fill, CATEGORIFY, TARGET, NORMALIZE, categories=("month",)))
    assert [c.op for c in export.preprocessing.columns] == ["category", "number", "number"]


def test_without_normalising_numbers_stay_as_they_are():
    (_, _, warmth, _) = read(learner(FILL, CATEGORIFY, TARGET)).preprocessing.columns
    assert warmth == Number(name="warmth")


@pytest.mark.parametrize(
    ("root", "words"),
    [
        (learner(*PROCESSES, record("mine.Scale")), "process mine.Scale cannot be converted"),
        (learner(FILL, CATEGORIFY, NORMALIZE), "targets are no categories"),
        (learner(FILL, TARGET, NORMALIZE), "no categories for its column 'month'"),
        (learner(targets=("air", "noise")), "predicts 2 columns"),
        (learner(numbers=("warmth", "rain", "fog")), "no mean or deviation for 'fog'"),
        (learner(numbers=(3,)), "texts are expected"),
        (learner(categories=("month", "month")), "two columns have the same name"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_the_way_out(root: Record, words: str):
    with pytest.raises(Invalid, match=words) as refusal:
        read(root)
    assert "ONNX" in str(refusal.value)


@pytest.mark.parametrize(
    ("layout", "value", "kind"),
    [("<d", 0.5, "f8"), ("<f", 0.5, "f4"), ("<e", 0.5, "f2"), ("<q", -7, "i8"), ("<B", 9, "u1")],
)
def test_numbers_that_numpy_wrapped_are_unwrapped(layout: str, value: Any, kind: str):
    assert scalar(numpy(layout, value, kind)) == value


@pytest.mark.parametrize(("layout", "value", "kind"), [("<d", 0.5, "f4"), ("<q", 1, "M8")])
def test_a_value_that_is_none_of_numpys_plain_ones_is_refused(layout: str, value: Any, kind: str):
    with pytest.raises(Invalid, match="no plain value"):
        scalar(numpy(layout, value, kind))
