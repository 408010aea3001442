"""What a fastai export does to a batch at validation, transform by transform."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.adapters.inert_pickle import Record
from registry.adapters.torch_archive import EXPORT_YOURSELF
from registry.domain.errors import Invalid

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


class BatchTransforms:
    """Takes batch transforms one by one, following the image's height and width."""

    def __init__(self, size: Sequence[int]) -> None:
        self.size = (size[0], size[1])
        self.divide_by: float | None = None
        self.resamplings: list[Resampling] = []
        self.normalize: tuple[Record, Record] | None = None

    def take(self, transform: Record) -> None:
        """Note one transform; Invalid if it has no exact counterpart in the graph."""
        if only_trains(transform):
            return None
        if transform.name in _AFFINE:
            return self._resample(_affine(transform))
        rule = self._rules().get(transform.name)
        if rule is None:
            raise refusal(f"the batch transform {transform.name} cannot be converted exactly")
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
            raise refusal("the export's IntToFloatTensor is not its first batch transform")
        if not isinstance(divide_by, (int, float)) or divide_by <= 0:
            raise refusal(f"the export's IntToFloatTensor divides by {divide_by!r}")
        self.divide_by = float(divide_by)

    def _normalize(self, transform: Record) -> None:
        mean, deviation = transform.get("mean"), transform.get("std")
        if self.normalize or not isinstance(mean, Record) or not isinstance(deviation, Record):
            raise refusal("the export must have one Normalize, with its mean and std set")
        self.normalize = (mean, deviation)

    def _presize(self, transform: Record) -> None:
        crop = _center_crop(self.size, transform.get("ratio"), transform.get("valid_scale"))
        mode = transform.get("mode")
        size = pair(transform.get("size"))
        self._resample(Resampling(size, mode, "reflection", align_corners=True, crop=crop))

    def _resample(self, resampling: Resampling) -> None:
        if self.normalize:
            raise refusal("the export resizes its batches after normalising them")
        if resampling.mode not in {"bilinear", "nearest", "bicubic"}:
            raise refusal(f"the export resamples its batches with {resampling.mode!r}")
        if resampling.pad_mode not in {"zeros", "border", "reflection"}:
            raise refusal(f"the export pads its batches with {resampling.pad_mode!r}")
        self.resamplings.append(resampling)
        self.size = resampling.size or self.size


def _affine(transform: Record) -> Resampling:
    size = transform.get("size")
    return Resampling(
        size=None if size is None else pair(size),
        mode=transform.get("mode"),
        pad_mode=transform.get("pad_mode"),
        align_corners=bool(transform.get("align_corners")),
    )


def _center_crop(size: tuple[int, int], ratio: Any, scale: Any) -> tuple[int, int, int, int]:
    """What RandomResizedCropGPU keeps at validation: the middle, within its range of ratios."""
    bounds = ratio if isinstance(ratio, (tuple, list)) else ()
    if len(bounds) != 2 or not all(isinstance(n, (int, float)) and n > 0 for n in (*bounds, scale)):
        raise refusal(f"the export's presizing has ratio {ratio!r} and valid_scale {scale!r}")
    height, width = size
    kept = (height, width)
    if width / height < bounds[0]:
        kept = (int(width / bounds[0]), width)
    elif width / height > bounds[1]:
        kept = (height, int(height * bounds[1]))
    kept = (int(kept[0] * scale), int(kept[1] * scale))
    return ((height - kept[0]) // 2, (width - kept[1]) // 2, kept[0], kept[1])


def only_trains(transform: Record) -> bool:
    """Whether a transform does nothing at validation."""
    return transform.name in _TRAINING_ONLY and transform.get("split_idx") == 0


def pair(value: Any) -> tuple[int, int]:
    """A size as fastai keeps it: one number, two, or an array of them."""
    if isinstance(value, Record) and value.args:
        value = value.args[0]
    if isinstance(value, int) and not isinstance(value, bool):
        return value, value
    if isinstance(value, (tuple, list)) and len(value) == 2 and all(type(v) is int for v in value):
        return value[0], value[1]
    raise refusal(f"the export has a size of {value!r}, where one or two integers are expected")


def refusal(what: str) -> Invalid:
    """Invalid, with the way out of it."""
    return Invalid(f"{what}. {EXPORT_YOURSELF}")
