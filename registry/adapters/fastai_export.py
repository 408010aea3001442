"""What a fastai vision export says, read from inert records: labels, transforms, model.

Only what `learn.predict` does with a validation item is kept. A transform that has no exact
counterpart is refused by name, never approximated.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.adapters.inert_pickle import CalledRecord, InertArchive, Record, walk
from registry.adapters.torch_archive import EXPORT_YOURSELF
from registry.documents.preprocessing import Preprocessing, Resample, Resize
from registry.domain.errors import Invalid

# .../lib/python3.11/..., ...\\Python311\\Lib\\..., ...\\PythonSoftwareFoundation.Python.3.11_...
_PYTHON = re.compile(r"[/\\.]python\.?3\.?(\d{1,2})(?:-\d\d)?[/\\_]", re.IGNORECASE)
_RESAMPLES = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
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
# AffineCoordTfm and its family run at validation too, with the identity: they resample.
_AFFINE = {
    f"fastai.vision.augment.{name}"
    for name in ("AffineCoordTfm", "Dihedral", "Flip", "Rotate", "Warp", "Zoom")
}
_TRAINING_ONLY = {
    f"fastai.vision.augment.{name}"
    for name in (
        "Brightness", "Contrast", "Saturation", "Hue", "RandomErasing", "FlipItem", "DihedralItem",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resampling:
    """One pass of fastai's grid_sample at validation, the identity except for size and crop.

    size: (height, width) of the output, None to keep. crop: (top, left, height, width).
    """

    size: tuple[int, int] | None
    mode: str
    pad_mode: str
    align_corners: bool
    crop: tuple[int, int, int, int] | None = None


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


def read_vision_export(archive: InertArchive) -> VisionExport:
    """The classifier in an archive; Invalid says what is not supported, and the way out."""
    learner = archive.root
    if not isinstance(learner, Record) or learner.name != "fastai.learner.Learner":
        raise _refusal("the file does not hold a fastai Learner; export it with Learner.export()")
    loader = _validation_loader(learner)
    inputs, targets = _pipelines(loader)
    preprocessing = _preprocessing(inputs, _transforms(loader, "after_item"))
    batch = _BatchTransforms(preprocessing.shape[1:])
    for transform in _transforms(loader, "after_batch"):
        batch.take(transform)
    if batch.divide_by is None:
        raise _refusal("the export has no IntToFloatTensor, so its pixels never become numbers")
    return VisionExport(
        labels=_labels(targets),
        preprocessing=preprocessing,
        divide_by=batch.divide_by,
        resamplings=tuple(batch.resamplings),
        normalize=batch.normalize,
        activation=_activation(learner.get("loss_func")),
        model=learner.get("model"),
        python=_python_version(archive.root),
    )


def _refusal(what: str) -> Invalid:
    return Invalid(f"{what}. {EXPORT_YOURSELF}")


def _validation_loader(learner: Record) -> Record:
    loaders = _items(_attribute(learner, "dls").get("loaders"))
    if len(loaders) < 2 or not isinstance(loaders[1], Record):
        raise _refusal("the export has no validation DataLoader, whose transforms predict uses")
    return loaders[1]


def _attribute(record: Record, name: str) -> Record:
    value = record.get(name)
    if not isinstance(value, Record):
        raise _refusal(f"the export's {record.name} has no {name}")
    return value


def _items(node: Any) -> list[Any]:
    """The elements of a list, or of fastcore's L around one."""
    while isinstance(node, Record):
        node = node.get("items") if node.get("items") is not None else node.items
    return list(node or ())


def _transforms(owner: Record, name: str) -> Iterator[Record]:
    for transform in _items(_attribute(owner, name).get("fs")):
        if not isinstance(transform, Record):
            raise _refusal(f"the export's {name} holds a {type(transform).__name__}")
        yield transform


def _pipelines(loader: Record) -> tuple[Record, Record]:
    pipelines = _items(_attribute(loader, "dataset").get("tls"))
    if len(pipelines) != 2 or not all(isinstance(p, Record) for p in pipelines):
        raise _refusal(f"the export has {len(pipelines)} inputs and targets; one of each is needed")
    return pipelines[0], pipelines[1]


def _preprocessing(inputs: Record, transforms: Iterator[Record]) -> Preprocessing:
    made = _items(inputs.get("types"))
    kind = getattr(made[-1], "name", "?") if made else "?"
    if kind not in _MODES:
        raise _refusal(f"the export's inputs are {kind}; PILImage and PILImageBW are supported")
    steps = tuple(step for t in transforms if (step := _item_step(t)) is not None)
    if not steps:
        raise _refusal("the export has no Resize among its item transforms, so its size is open")
    return Preprocessing(mode=_MODES[kind], steps=steps)


def _item_step(transform: Record) -> Resize | None:
    if transform.name == "fastai.data.transforms.ToTensor" or _only_trains(transform):
        return None
    if transform.name != "fastai.vision.augment.Resize":
        raise _refusal(f"the item transform {transform.name} cannot be converted exactly")
    width, height = _pair(transform.get("size"))
    try:
        return Resize(
            width=width,
            height=height,
            method=transform.get("method"),
            pad_mode=transform.get("pad_mode"),
            resample=_resample(transform.get("mode")),
        )
    except ValueError as error:
        raise _refusal(f"the export's Resize has settings that cannot be converted: {error}") from (
            error
        )


def _only_trains(transform: Record) -> bool:
    return transform.name in _TRAINING_ONLY and transform.get("split_idx") == 0


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, Record) and value.args:
        value = value.args[0]
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(type(v) is int for v in value):
        return value[0], value[1]
    raise _refusal(f"the export has a size of {value!r}, where one or two integers are expected")


def _resample(value: Any) -> Resample:
    number = value.args[0] if isinstance(value, Record) and value.args else value
    if not isinstance(number, int) or not 0 <= number < len(_RESAMPLES):
        raise _refusal(f"the export's Resize resamples with {value!r}")
    return Resample(_RESAMPLES[number])


class _BatchTransforms:
    """Takes batch transforms one by one, following the image's height and width."""

    def __init__(self, size: Sequence[int]) -> None:
        self.size = (size[0], size[1])
        self.divide_by: float | None = None
        self.resamplings: list[Resampling] = []
        self.normalize: tuple[Record, Record] | None = None

    def take(self, transform: Record) -> None:
        """Note one transform; Invalid if it has no exact counterpart in the graph."""
        if _only_trains(transform):
            return None
        if transform.name in _AFFINE:
            return self._resample(_affine(transform))
        rule = self._rules().get(transform.name)
        if rule is None:
            raise _refusal(f"the batch transform {transform.name} cannot be converted exactly")
        return rule(transform)

    def _rules(self) -> Mapping[str, Callable[[Record], None]]:
        return {
            "fastai.data.transforms.IntToFloatTensor": self._to_float,
            "fastai.vision.augment.RandomResizedCropGPU": self._presize,
            "fastai.data.transforms.Normalize": self._normalize,
        }

    def _to_float(self, transform: Record) -> None:
        divide_by = transform.get("div")
        if self.divide_by is not None or self.resamplings or self.normalize:
            raise _refusal("the export's IntToFloatTensor is not its first batch transform")
        if not isinstance(divide_by, (int, float)) or divide_by <= 0:
            raise _refusal(f"the export's IntToFloatTensor divides by {divide_by!r}")
        self.divide_by = float(divide_by)

    def _normalize(self, transform: Record) -> None:
        mean, deviation = transform.get("mean"), transform.get("std")
        if self.normalize or not isinstance(mean, Record) or not isinstance(deviation, Record):
            raise _refusal("the export must have one Normalize, with its mean and std set")
        self.normalize = (mean, deviation)

    def _presize(self, transform: Record) -> None:
        crop = _center_crop(self.size, transform.get("ratio"), transform.get("valid_scale"))
        mode = transform.get("mode")
        size = _pair(transform.get("size"))
        self._resample(Resampling(size, mode, "reflection", align_corners=True, crop=crop))

    def _resample(self, resampling: Resampling) -> None:
        if self.normalize:
            raise _refusal("the export resizes its batches after normalising them")
        if resampling.mode not in {"bilinear", "nearest", "bicubic"}:
            raise _refusal(f"the export resamples its batches with {resampling.mode!r}")
        if resampling.pad_mode not in {"zeros", "border", "reflection"}:
            raise _refusal(f"the export pads its batches with {resampling.pad_mode!r}")
        self.resamplings.append(resampling)
        self.size = resampling.size or self.size


def _affine(transform: Record) -> Resampling:
    size = transform.get("size")
    return Resampling(
        size=None if size is None else _pair(size),
        mode=transform.get("mode"),
        pad_mode=transform.get("pad_mode"),
        align_corners=bool(transform.get("align_corners")),
    )


def _center_crop(size: tuple[int, int], ratio: Any, scale: Any) -> tuple[int, int, int, int]:
    """What RandomResizedCropGPU keeps at validation: the middle, within its range of ratios."""
    bounds = ratio if isinstance(ratio, (tuple, list)) else ()
    if len(bounds) != 2 or not all(isinstance(n, (int, float)) and n > 0 for n in (*bounds, scale)):
        raise _refusal(f"the export's presizing has ratio {ratio!r} and valid_scale {scale!r}")
    height, width = size
    kept = (height, width)
    if width / height < bounds[0]:
        kept = (int(width / bounds[0]), width)
    elif width / height > bounds[1]:
        kept = (height, int(height * bounds[1]))
    kept = (int(kept[0] * scale), int(kept[1] * scale))
    return ((height - kept[0]) // 2, (width - kept[1]) // 2, kept[0], kept[1])


def _labels(targets: Record) -> tuple[str, ...]:
    names = {node.name for node in walk(targets.get("tfms")) if isinstance(node, Record)}
    if "fastai.data.transforms.MultiCategorize" in names:
        raise _refusal("the export gives several labels to one image, which is not supported")
    maps = [
        node
        for node in walk(targets.get("tfms"))
        if isinstance(node, Record) and node.name == "fastai.data.transforms.CategoryMap"
    ]
    if not maps:
        raise _refusal("the export's targets are no categories; only classifiers are supported")
    labels = _items(maps[0].get("items"))
    if len(labels) < 2 or not all(isinstance(n, (str, int)) for n in labels):
        raise _refusal(f"the export's labels are {labels!r}; two or more names are needed")
    return tuple(str(n) for n in labels)


def _activation(loss: Any) -> str:
    name = loss.name if isinstance(loss, Record) else getattr(loss, "name", str(loss))
    if name not in _LOSSES:
        raise _refusal(
            f"the export's loss is {name}; get_preds gives probabilities only with one of"
            f" {', '.join(sorted(_LOSSES))}"
        )
    return _LOSSES[name]


def _python_version(root: Any) -> str | None:
    """The Python that exported, if there is code in the file: its source's place names it."""
    codes = [
        node
        for node in walk(root)
        if isinstance(node, CalledRecord) and node.args[0].args == ("CodeType",)
    ]
    texts = [text for code in codes for text in code.args[1:] if isinstance(text, str)]
    found = next(filter(None, map(_PYTHON.search, texts)), None)
    if codes and found is None:
        raise _refusal(
            "the export carries code, and nothing in it says of which Python, so the original"
            " cannot be run here for comparison"
        )
    return f"3.{found.group(1)}" if found else None
