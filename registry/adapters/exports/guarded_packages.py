"""Runs the AOTInductor packages that lie beside this file: `load()(images)`. Needs torch alone.

A package checks nothing that it is given: another shape, type or layout makes it answer nonsense,
or less than was asked. So everything is checked here, and each package gets only so many inputs at
once as it was built for.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - only what makes torch formats imports this module

PACKAGES = "packages.json"


class GuardedPackages:
    """Takes a batch of prepared inputs; gives logits, probabilities and features."""

    def __init__(self, folder: Path) -> None:
        said = json.loads((folder / PACKAGES).read_bytes())
        self._shape = tuple(said["shape"])
        self._dtype = getattr(torch, said["dtype"])
        self._packages: list[tuple[int, int, Callable[..., Any]]] = [
            (one["least"], one["most"], _load(folder / one["file"])) for one in said["packages"]
        ]

    def __call__(self, inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        """ValueError says what the packages take instead."""
        self._check(inputs)
        for least, most, package in self._packages:
            if least <= len(inputs) <= most:
                return list(package(inputs.contiguous()))  # packages read strides as they were
        largest = max(most for _, most, _ in self._packages)
        raise ValueError(f"1 to {largest} inputs fit at once, not {len(inputs)}; ask in parts")

    def _check(self, inputs: torch.Tensor) -> None:
        given = (tuple(inputs.shape[1:]), inputs.dtype, inputs.device.type)
        if inputs.ndim == 0 or given != (self._shape, self._dtype, "cpu"):
            raise ValueError(
                f"the model takes {self._dtype} of shape (n, {', '.join(map(str, self._shape))})"
                f" on the cpu, not {inputs.dtype} {tuple(inputs.shape)} on {inputs.device.type}"
            )


def load(folder: Path | None = None) -> GuardedPackages:
    """The packages of a folder; of this file's own if none is named."""
    return GuardedPackages(folder or Path(__file__).parent)


def _load(path: Path) -> Callable[..., Any]:
    from torch._inductor import aoti_load_package

    return aoti_load_package(str(path))
