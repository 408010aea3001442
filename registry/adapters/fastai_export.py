"""What a fastai vision export says, read from inert records: labels, transforms, model.

Only what `learn.predict` does with a validation item is kept. A transform that has no exact
counterpart is refused by name, never approximated.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.adapters.fastai_batch import BatchTransforms, Resampling, only_trains, pair, refusal
from registry.adapters.inert_pickle import CalledRecord, InertArchive, Record, walk
from registry.adapters.inert_values import scalar
from registry.documents.preprocessing import (
    MOST_STEPS,
    CenterCrop,
    Method,
    PadMode,
    Preprocessing,
    Resample,
    Resize,
    Step,
)

# .../lib/python3.11/..., ...\\Python311\\Lib\\..., ...\\PythonSoftwareFoundation.Python.3.11_...
_PYTHON = re.compile(r"[/\\.]python\.?3\.?(\d{1,2})(?:-\d\d)?[/\\_]", re.IGNORECASE)
_RESAMPLES = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_ENCODED = "fastai.data.transforms.EncodedMultiCategorize"
_SETS = {"fastai.data.transforms.MultiCategorize", _ENCODED}
_SEVERAL = "fastai.losses.BCEWithLogitsLossFlat"
_LOSSES = {
    "fastai.losses.CrossEntropyLossFlat": "softmax",
    "fastai.losses.LabelSmoothingCrossEntropyFlat": "softmax",
    "fastai.losses.LabelSmoothingCrossEntropy": "softmax",
    "fastai.losses.FocalLossFlat": "softmax",
}
_MODES: Mapping[str, Any] = {
    "fastai.vision.core.PILImage": "RGB",
    "fastai.vision.core.PILImageBW": "L",
}


@dataclass(frozen=True, slots=True)
class VisionExport:
    """A fastai vision classifier as plain values, and the records of its model."""

    labels: tuple[str, ...]
    preprocessing: Preprocessing
    divide_by: float
    resamplings: tuple[Resampling, ...]
    normalize: tuple[Record, Record] | None
    activation: str
    model: Any
    python: str | None
    threshold: float | None = None  # where an image may have several labels


def read_vision_export(archive: InertArchive) -> VisionExport:
    """The classifier in an archive; Invalid says what is not supported, and the way out."""
    learner = archive.root
    if not isinstance(learner, Record) or learner.name != "fastai.learner.Learner":
        raise refusal("the file does not hold a fastai Learner; export it with Learner.export()")
    loader = _validation_loader(learner)
    inputs, targets = _pipelines(loader)
    preprocessing = _preprocessing(inputs, _transforms(loader, "after_item"))
    batch = BatchTransforms(preprocessing.shape[1:])
    for transform in _transforms(loader, "after_batch"):
        batch.take(transform)
    if batch.divide_by is None:
        raise refusal("the export has no IntToFloatTensor, so its pixels never become numbers")
    several = _names_several(targets)
    loss = learner.get("loss_func")
    return VisionExport(
        labels=_labels(targets),
        preprocessing=preprocessing,
        divide_by=batch.divide_by,
        resamplings=tuple(batch.resamplings),
        normalize=batch.normalize,
        activation="sigmoid" if several else activation(loss),
        model=learner.get("model"),
        python=python_version(archive.root),
        threshold=_threshold(loss) if several else None,
    )


def _validation_loader(learner: Record) -> Record:
    loaders = listed(attribute(learner, "dls").get("loaders"))
    if len(loaders) < 2 or not isinstance(loaders[1], Record):
        raise refusal("the export has no validation DataLoader, whose transforms predict uses")
    return loaders[1]


def attribute(record: Record, name: str) -> Record:
    """An attribute of a record that must be one, too."""
    value = record.get(name)
    if not isinstance(value, Record):
        raise refusal(f"the export's {record.name} has no {name}")
    return value


def listed(node: Any) -> list[Any]:
    """The elements of a list, or of fastcore's L around one."""
    while isinstance(node, Record):
        node = node.get("items") if node.get("items") is not None else node.items
    return list(node or ())


def _transforms(owner: Record, name: str) -> Iterator[Record]:
    for transform in listed(attribute(owner, name).get("fs")):
        if not isinstance(transform, Record):
            raise refusal(f"the export's {name} holds a {type(transform).__name__}")
        yield transform


def _pipelines(loader: Record) -> tuple[Record, Record]:
    pipelines = listed(attribute(loader, "dataset").get("tls"))
    if len(pipelines) != 2 or not all(isinstance(p, Record) for p in pipelines):
        raise refusal(f"the export has {len(pipelines)} inputs and targets; one of each is needed")
    return pipelines[0], pipelines[1]


def _preprocessing(inputs: Record, transforms: Iterator[Record]) -> Preprocessing:
    made = listed(inputs.get("types"))
    kind = getattr(made[-1], "name", "?") if made else "?"
    if kind not in _MODES:
        raise refusal(f"the export's inputs are {kind}; PILImage and PILImageBW are supported")
    steps = tuple(step for transform in transforms for step in _item_steps(transform))
    if not steps:
        raise refusal("the export has no Resize among its item transforms, so its size is open")
    if len(steps) > MOST_STEPS:
        raise refusal(f"the export's item transforms make {len(steps)} steps of {MOST_STEPS}")
    return Preprocessing(mode=_MODES[kind], steps=steps)


def _item_steps(transform: Record) -> Iterator[Step]:
    if transform.name == "fastai.data.transforms.ToTensor" or only_trains(transform):
        return
    rule = _ITEM_STEPS.get(transform.name)
    if rule is None:
        raise refusal(f"the item transform {transform.name} cannot be converted exactly")
    try:
        yield from rule(transform)
    except ValueError as error:
        name = transform.name.rpartition(".")[2]
        raise refusal(
            f"the export's {name} has settings that cannot be converted: {error}"
        ) from error


def _resize(transform: Record) -> Iterator[Step]:
    width, height = pair(transform.get("size"))
    yield Resize(
        width=width,
        height=height,
        method=transform.get("method"),
        pad_mode=transform.get("pad_mode"),
        resample=_resample(transform.get("mode")),
    )


def _random_resized_crop(transform: Record) -> Iterator[Step]:
    """At validation: squished to a little more than its size, of which the middle is kept."""
    width, height = pair(transform.get("size"))
    extra = transform.get("val_xtra")
    if not isinstance(extra, (int, float)) or not 0 <= extra <= 8:
        raise refusal(f"the export's RandomResizedCrop has val_xtra {extra!r}")
    more = math.ceil(max(width, height) * extra / 8) * 8
    yield Resize(
        width=width + more,
        height=height + more,
        method=Method.SQUISH,
        resample=_resample(transform.get("mode")),
    )
    if more:
        yield CenterCrop(op="center-crop", width=width, height=height)


def _center_crop(transform: Record) -> Iterator[Step]:
    width, height = pair(transform.get("size"))
    mode = transform.get("pad_mode", PadMode.ZEROS)
    yield CenterCrop(op="center-crop", width=width, height=height, pad_mode=mode)


_ITEM_STEPS: Mapping[str, Callable[[Record], Iterator[Step]]] = {
    "fastai.vision.augment.Resize": _resize,
    "fastai.vision.augment.RandomResizedCrop": _random_resized_crop,
    "fastai.vision.augment.RandomCrop": _center_crop,
    "fastai.vision.augment.CropPad": _center_crop,
}


def _resample(value: Any) -> Resample:
    number = value.args[0] if isinstance(value, Record) and value.args else value
    if not isinstance(number, int) or not 0 <= number < len(_RESAMPLES):
        raise refusal(f"the export's resizing resamples with {value!r}")
    return Resample(_RESAMPLES[number])


def _names_several(targets: Record) -> bool:
    """Whether an image may have several labels, or none."""
    return any(isinstance(n, Record) and n.name in _SETS for n in walk(targets.get("tfms")))


def _labels(targets: Record) -> tuple[str, ...]:
    nodes = [node for node in walk(targets.get("tfms")) if isinstance(node, Record)]
    maps = [node for node in nodes if node.name == "fastai.data.transforms.CategoryMap"]
    maps += [node.get("vocab") for node in nodes if node.name == _ENCODED]
    if not maps:
        raise refusal("the export's targets are no categories; only classifiers are supported")
    return labels_of(maps[0])


def _threshold(loss: Any) -> float:
    """Above which probability learn.predict gives a label."""
    name = loss.name if isinstance(loss, Record) else str(loss)
    level = loss.get("thresh") if isinstance(loss, Record) else None
    if name != _SEVERAL or not isinstance(level, float) or not 0 < level < 1:
        raise refusal(
            f"the export gives several labels to one image with the loss {name} and the threshold"
            f" {level!r}; BCEWithLogitsLossFlat is supported, with a threshold between 0 and 1"
        )
    return level


def labels_of(vocabulary: Any) -> tuple[str, ...]:
    """The names in a vocabulary."""
    labels = [scalar(node) for node in listed(vocabulary)]
    if len(labels) < 2 or not all(isinstance(n, (str, int)) for n in labels):
        raise refusal(f"the export's labels are {labels!r}; two or more names are needed")
    return tuple(str(n) for n in labels)


def activation(loss: Any) -> str:
    """What get_preds makes probabilities with."""
    name = loss.name if isinstance(loss, Record) else getattr(loss, "name", str(loss))
    if name not in _LOSSES:
        raise refusal(
            f"the export's loss is {name}; get_preds gives probabilities only with one of"
            f" {', '.join(sorted(_LOSSES))}"
        )
    return _LOSSES[name]


def python_version(root: Any) -> str | None:
    """The Python that exported, if there is code in the file: its source's place names it."""
    codes = [
        node
        for node in walk(root)
        if isinstance(node, CalledRecord) and node.args[0].args == ("CodeType",)
    ]
    texts = [text for code in codes for text in code.args[1:] if isinstance(text, str)]
    found = next(filter(None, map(_PYTHON.search, texts)), None)
    if codes and found is None:
        raise refusal(
            "the export carries code, and nothing in it says of which Python, so the original"
            " cannot be run here for comparison"
        )
    return f"3.{found.group(1)}" if found else None
