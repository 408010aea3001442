"""ONNX's operators that move numbers without changing them, by torch."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch  # noqa: TID253 - only what makes torch formats imports this module
from torch.nn import functional as F  # noqa: N812, TID253 - as everybody calls it

from registry.adapters.exports.graph_values import as_tensor, is_known, is_number, listed, sizes
from registry.domain.errors import Invalid


def _shape(value: Any, start: int = 0, end: int | None = None) -> Any:
    return sizes(value.shape[start:end])


def _reshape(value: Any, wanted: Any, allowzero: int = 0) -> Any:
    new = listed(wanted)
    if not allowzero:
        new = [value.shape[i] if is_number(size, 0) else size for i, size in enumerate(new)]
    return value.reshape(new)


def _flatten(value: Any, axis: int = 1) -> Any:
    place = axis % value.ndim if axis < 0 else axis
    if place == 1:
        return value.flatten(1)
    rows = 1
    for size in value.shape[:place]:
        rows = rows * size
    return value.reshape(rows, -1)


def _transpose(value: Any, perm: list[int] | None = None) -> Any:
    return value.permute(perm or list(reversed(range(value.ndim))))


def _unsqueeze(value: Any, axes: Any) -> Any:
    places = sorted(int(a) for a in listed(axes))
    if is_known(value):
        return np.expand_dims(value, tuple(places))
    rank = value.ndim + len(places)
    for place in sorted(p % rank for p in places):
        value = value.unsqueeze(place)
    return value


def _squeeze(value: Any, axes: Any = None) -> Any:
    if axes is None:
        places = [i for i, size in enumerate(value.shape) if is_number(size, 1)]
    else:
        places = [int(a) % value.ndim for a in listed(axes)]
    if is_known(value):
        return np.squeeze(value, tuple(places))
    for place in sorted(places, reverse=True):
        value = value.squeeze(place)
    return value


def _concat(*values: Any, axis: int) -> Any:
    if all(is_known(value) for value in values):
        return np.concatenate(values, axis)
    return torch.cat([as_tensor(value) for value in values], axis)


def _slice(value: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    first = listed(starts)
    places = range(len(first)) if axes is None else listed(axes)
    paces = [1] * len(first) if steps is None else listed(steps)
    cut = [slice(None)] * value.ndim
    for place, start, end, pace in zip(places, first, listed(ends), paces, strict=True):
        if is_number(pace, -1) and not is_known(value):
            raise Invalid("the graph turns an axis round; export this version as onnx instead")
        cut[place] = slice(start, end, pace)
    return value[tuple(cut)]


def _gather(value: Any, at: Any, axis: int = 0) -> Any:
    if is_known(value) and is_known(at):
        return np.asarray(np.take(value, at.astype(np.int64), axis))
    value = as_tensor(value)
    if is_known(at) and np.ndim(at) == 0:
        return value.select(axis, int(at))
    indices = as_tensor(at)
    indices = torch.where(indices < 0, indices + value.shape[axis], indices)
    found = value.index_select(axis, indices.reshape(-1))
    place = axis % value.ndim
    return found.reshape(*value.shape[:place], *indices.shape, *value.shape[place + 1 :])


def _gather_nd(value: Any, at: Any, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise Invalid("the graph gathers by batches; export this version as onnx instead")
    return value[tuple(as_tensor(at).unbind(-1))]


def _split(
    value: Any, given: Any = None, *, parts: int, axis: int = 0, num_outputs: int = 0
) -> list[Any]:
    del num_outputs
    if given is not None:
        return list(torch.split(value, listed(given), axis))
    return list(torch.split(value, -(-value.shape[axis] // parts), axis))


def _expand(value: Any, wanted: Any) -> Any:
    value, new = as_tensor(value), listed(wanted)
    missing = max(0, len(new) - value.ndim)
    new = [1] * max(0, value.ndim - len(new)) + new
    kept = [value.shape[i - missing] if i >= missing else 1 for i in range(len(new))]
    return value.expand(
        [own if is_number(size, 1) else size for own, size in zip(kept, new, strict=True)]
    )


def _range(start: Any, end: Any, step: Any) -> Any:
    return torch.arange(as_tensor(start), as_tensor(end), as_tensor(step))


def _filled(shape: Any, value: Any = None) -> Any:
    number = 0.0 if value is None else value.reshape(-1)[0].item()
    if value is not None and value.dtype.kind == "i":
        made = np.empty(len(listed(shape)) and tuple(map(int, listed(shape))), np.int64)
        made.fill(number)
        return made
    return torch.full(listed(shape), number)


def _pad(
    value: Any, pads: Any, filler: Any = None, axes: Any = None, mode: str = "constant"
) -> Any:
    amounts = [int(p) for p in listed(pads)]
    places = list(range(value.ndim)) if axes is None else [a % value.ndim for a in listed(axes)]
    around = dict(zip(places, zip(amounts, amounts[len(places) :], strict=False), strict=True))
    first = min((place for place in around if any(around[place])), default=value.ndim)
    both = [side for p in reversed(range(first, value.ndim)) for side in around.get(p, (0, 0))]
    names = {"edge": "replicate", "constant": "constant", "reflect": "reflect"}
    number = 0.0 if filler is None else float(as_tensor(filler))
    return F.pad(value, both, names[mode], number if mode == "constant" else None)


def _tile(value: Any, repeats: Any) -> Any:
    return as_tensor(value).repeat(listed(repeats))


SHAPES: Mapping[str, Callable[..., Any]] = {
    "Shape": _shape,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Slice": _slice,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Split": _split,
    "Expand": _expand,
    "Range": _range,
    "ConstantOfShape": _filled,
    "Pad": _pad,
    "Tile": _tile,
}
