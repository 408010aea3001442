"""ONNX's operators that work number by number, or over whole axes, by torch."""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import torch  # noqa: TID253 - only what makes torch formats imports this module
from torch.nn import functional as F  # noqa: N812, TID253 - as everybody calls it

from registry.adapters.exports.graph_values import as_tensor, is_known, listed
from registry.domain.errors import Invalid

_KINDS = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64,
}  # fmt: skip


def _pairwise(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Of two or more values; known numbers stay known."""

    def both(one: Any, other: Any) -> Any:
        if is_known(one) and is_known(other):
            return np.asarray(function(one, other))
        return function(as_tensor(one), as_tensor(other))

    return lambda *values: reduce(both, values)


def _of_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: function(*map(_whole, values))


def _whole(value: Any) -> Any:
    return torch.as_tensor(as_tensor(value))


def _divide(one: Any, other: Any) -> Any:
    """Integers are divided towards zero."""
    whole = all(
        v.dtype.kind == "i" if is_known(v) else not v.is_floating_point() for v in (one, other)
    )
    if not whole:
        return _pairwise(operator.truediv)(one, other)
    if is_known(one) and is_known(other):
        return np.trunc(one / other).astype(np.int64)
    return torch.div(_whole(one), _whole(other), rounding_mode="trunc")


def _cast(value: Any, to: int, saturate: int = 1) -> Any:
    del saturate
    if to not in _KINDS:
        raise Invalid(f"the graph casts to ONNX's type {to}, which no torch module is made of here")
    if not is_known(value):
        return value.to(_KINDS[to])
    return value if value.dtype == object else value.astype(_numpy(_KINDS[to]))


def _numpy(kind: torch.dtype) -> Any:
    return torch.empty(0, dtype=kind).numpy().dtype


def _clip(value: Any, low: Any = None, high: Any = None) -> Any:
    return torch.clamp(value, as_tensor(low), as_tensor(high))


def _gelu(value: Any, approximate: str = "none") -> Any:
    return F.gelu(value, approximate=approximate)


def _hard_sigmoid(value: Any, alpha: float = 0.2, beta: float = 0.5) -> Any:
    return torch.clamp(value * alpha + beta, 0, 1)


def _softmax(value: Any, axis: int = -1) -> Any:
    return torch.softmax(value, axis)


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    """Over the axes of an input (or of an attribute, in older graphs)."""

    def over(
        value: Any,
        given: Any = None,
        axes: Any = None,
        keepdims: int = 1,
        noop_with_empty_axes: int = 0,
    ) -> Any:
        over_axes = listed(given) if given is not None else axes
        if not over_axes and noop_with_empty_axes:
            return value
        return function(value, over_axes or list(range(value.ndim)), keepdim=bool(keepdims))

    return over


def _where(condition: Any, one: Any, other: Any) -> Any:
    return torch.where(_whole(condition), as_tensor(one), as_tensor(other))


def _gemm(
    one: Any,
    other: Any,
    bias: Any = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - so ONNX spells it
    transB: int = 0,  # noqa: N803
) -> Any:
    left = one.T if transA else one
    if alpha == beta == 1.0:
        return F.linear(left, other if transB else other.T, bias)
    product = alpha * (left @ (other.T if transB else other))
    return product if bias is None else product + beta * as_tensor(bias)


ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "Add": _pairwise(operator.add),
    "Sub": _pairwise(operator.sub),
    "Mul": _pairwise(operator.mul),
    "Div": _divide,
    "Pow": _pairwise(operator.pow),
    "Equal": _pairwise(operator.eq),
    "Less": _pairwise(operator.lt),
    "Greater": _pairwise(operator.gt),
    "LessOrEqual": _pairwise(operator.le),
    "GreaterOrEqual": _pairwise(operator.ge),
    "And": _of_tensors(torch.logical_and),
    "Or": _of_tensors(torch.logical_or),
    "Not": _of_tensors(torch.logical_not),
    "Min": _of_tensors(lambda *values: reduce(torch.minimum, values)),
    "Max": _of_tensors(lambda *values: reduce(torch.maximum, values)),
    "Identity": lambda value: value,
    "Dropout": lambda value, *_, **__: value,
    "Cast": _cast,
    "Clip": _clip,
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Abs": torch.abs,
    "Neg": operator.neg,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Reciprocal": torch.reciprocal,
    "Erf": torch.erf,
    "Tanh": torch.tanh,
    "Relu": torch.relu,
    "Sigmoid": torch.sigmoid,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "Elu": lambda value, alpha=1.0: F.elu(value, alpha),
    "LeakyRelu": lambda value, alpha=0.01: F.leaky_relu(value, alpha),
    "PRelu": lambda value, slope: torch.where(value < 0, value * slope, value),
    "Gelu": _gelu,
    "Softmax": _softmax,
    "LogSoftmax": lambda value, axis=-1: torch.log_softmax(value, axis),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceL2": _reduce(lambda value, axes, keepdim: torch.linalg.vector_norm(
        value, dim=axes, keepdim=keepdim
    )),
    "Where": _where,
    "MatMul": torch.matmul,
    "Gemm": _gemm,
}  # fmt: skip
