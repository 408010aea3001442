"""What the operators of a graph share: tensors, and numbers that are known outside of them."""

from typing import Any

import numpy as np
import torch  # noqa: TID253 - only what makes torch formats imports this module


def is_known(value: Any) -> bool:
    """Whether it is an array of sizes, axes or numbers and no tensor."""
    return isinstance(value, np.ndarray | np.generic)


def as_tensor(value: Any) -> Any:
    """A tensor, or a single number as a number."""
    if not is_known(value):
        return value
    if np.ndim(value) == 0:
        return value.item() if hasattr(value, "item") else value
    if value.dtype == object:
        return torch.stack([torch.as_tensor(one) for one in value])
    return torch.from_numpy(np.array(value))


def listed(value: Any) -> list[Any]:
    """Sizes, axes or indices as a list of integers; they may be symbolic."""
    if isinstance(value, torch.Tensor):  # while TorchScript traces
        return [value[i] for i in range(value.shape[0])] if value.ndim else [value]
    found = value.reshape(-1).tolist() if value.dtype != object else list(value.reshape(-1))
    return list(found)


def sizes(numbers: Any) -> Any:
    """An array of sizes, of which some may be symbolic."""
    made = np.empty(len(numbers), dtype=object)
    for i, number in enumerate(numbers):
        made[i] = number
    return made


def is_number(value: object, number: int) -> bool:
    """Whether it is this number; never asked of a symbolic size, whose answer would be frozen."""
    return isinstance(value, int) and value == number
