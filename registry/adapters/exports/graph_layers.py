"""ONNX's convolutions, pools, norms and samplings of images, by torch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch  # noqa: TID253 - only what makes torch formats imports this module
from torch.nn import functional as F  # noqa: N812, TID253 - as everybody calls it

from registry.adapters.exports.graph_values import as_tensor, listed
from registry.domain.errors import Invalid

_CONVOLUTIONS = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
_SPREADING = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}
_LARGEST: Mapping[int, Callable[..., Any]] = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}
_MEANS: Mapping[int, Callable[..., Any]] = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}


def _padded(
    value: Any, pads: Sequence[int] | None, auto_pad: str, filler: float
) -> tuple[Any, list[int]]:
    """The value, and how much every layer of torch adds itself: the same on both sides."""
    if auto_pad not in {"NOTSET", "VALID"}:
        raise Invalid(
            f"the graph pads by auto_pad={auto_pad}, which no torch module is made of here; export"
            " the model again with pads, or this version as onnx or triton"
        )
    spatial = value.ndim - 2
    around = list(pads or [0] * (2 * spatial)) if auto_pad == "NOTSET" else [0] * (2 * spatial)
    first, last = around[:spatial], around[spatial:]
    if first == last:
        return value, first
    both = [side for axis in reversed(range(spatial)) for side in (first[axis], last[axis])]
    return F.pad(value, both, value=filler), [0] * spatial


def _convolve(
    value: Any,
    weight: Any,
    bias: Any = None,
    *,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    group: int = 1,
    auto_pad: str = "NOTSET",
    kernel_shape: Any = None,
) -> Any:
    del kernel_shape  # it is the weight's
    value, padding = _padded(value, pads, auto_pad, 0.0)
    ones = [1] * (value.ndim - 2)
    return _CONVOLUTIONS[value.ndim](
        value, weight, bias, strides or ones, padding, dilations or ones, group
    )


def _spread(
    value: Any,
    weight: Any,
    bias: Any = None,
    *,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    output_padding: Sequence[int] | None = None,
    group: int = 1,
    kernel_shape: Any = None,
) -> Any:
    del kernel_shape
    spatial = value.ndim - 2
    around = list(pads or [0] * (2 * spatial))
    if around[:spatial] != around[spatial:]:
        raise Invalid("the graph has a ConvTranspose with uneven pads; export it as onnx instead")
    ones, zeros = [1] * spatial, [0] * spatial
    return _SPREADING[value.ndim](
        value, weight, bias, strides or ones, around[:spatial], output_padding or zeros, group,
        dilations or ones,
    )  # fmt: skip


def _max_pool(
    value: Any,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    storage_order: int = 0,
) -> Any:
    del storage_order  # of indices, which are not asked for
    value, padding = _padded(value, pads, auto_pad, float("-inf"))
    ones = [1] * (value.ndim - 2)
    return _LARGEST[value.ndim](
        value, kernel_shape, strides or ones, padding, dilations or ones, bool(ceil_mode)
    )


def _average_pool(
    value: Any,
    *,
    kernel_shape: Sequence[int],
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    dilations: Sequence[int] | None = None,
    ceil_mode: int = 0,
    auto_pad: str = "NOTSET",
    count_include_pad: int = 0,
) -> Any:
    spatial = value.ndim - 2
    around = list(pads or [0] * (2 * spatial))
    uneven = around[:spatial] != around[spatial:] and not count_include_pad
    if uneven or set(dilations or [1]) != {1} or auto_pad != "NOTSET":
        raise Invalid(
            "the graph has an AveragePool with uneven pads or gaps, which no torch module is made"
            " of here; export this version as onnx or triton instead"
        )
    value, padding = _padded(value, pads, auto_pad, 0.0)
    steps = strides or [1] * spatial
    return _MEANS[value.ndim](
        value, kernel_shape, steps, padding, bool(ceil_mode), bool(count_include_pad)
    )


def _batch_norm(
    value: Any,
    scale: Any,
    bias: Any,
    mean: Any,
    variance: Any,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
) -> Any:
    del momentum
    if training_mode:
        raise Invalid("the graph normalises by the batch, as in training; export it after eval()")
    return F.batch_norm(value, mean, variance, scale, bias, False, 0.0, epsilon)


def _layer_norm(
    value: Any,
    scale: Any,
    bias: Any = None,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> Any:
    del stash_type
    return F.layer_norm(value, value.shape[axis % value.ndim :], scale, bias, epsilon)


def _resize(
    value: Any,
    roi: Any = None,
    scales: Any = None,
    wanted: Any = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    **settings: Any,
) -> Any:
    del roi
    ways = (mode, coordinate_transformation_mode)
    flat = {3: "linear", 4: "bilinear", 5: "trilinear"}.get(value.ndim)
    if settings.get("antialias") or flat is None:
        ways = ("antialias", "")
    names = {
        ("linear", "half_pixel"): (flat, False),
        ("linear", "pytorch_half_pixel"): (flat, False),
        ("linear", "align_corners"): (flat, True),
        ("nearest", "asymmetric"): ("nearest", None),
    }
    if ways not in names or (mode == "nearest" and nearest_mode != "floor"):
        raise Invalid(
            f"the graph resizes by {mode} and {coordinate_transformation_mode}, which no torch"
            " module is made of here; export this version as onnx or triton instead"
        )
    name, corners = names[ways]
    size = listed(wanted)[2:] if wanted is not None else None
    factors = None if size is not None else [float(s) for s in scales[2:]]
    return F.interpolate(value, size, factors, name, corners)  # type: ignore[arg-type]


def _sample(
    value: Any,
    grid: Any,
    mode: str = "linear",
    padding_mode: str = "zeros",
    align_corners: int = 0,
) -> Any:
    names = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "bicubic"}
    return F.grid_sample(
        value, as_tensor(grid), names.get(mode, mode), padding_mode, bool(align_corners)
    )


def _global(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda value: function(value, list(range(2, value.ndim)), keepdim=True)


def _instance_norm(value: Any, scale: Any, bias: Any, epsilon: float = 1e-5) -> Any:
    return F.instance_norm(value, weight=scale, bias=bias, eps=epsilon)


LAYERS: Mapping[str, Callable[..., Any]] = {
    "Conv": _convolve,
    "ConvTranspose": _spread,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "Resize": _resize,
    "GridSample": _sample,
}
