"""Letting torchvision import beside a torch whose build does not match its compiled operators.

The wheels of torchvision on the index are linked with CUDA; beside a CPU build of torch their
library does not load, and the import stops at the missing declaration of `nms`. No model here uses
that operator, so declaring it is enough.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_keep_alive: list[Any] = []


def watch_for_torchvision() -> None:
    """Whoever imports torchvision from now on finds its operators declared; imports nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def operators_load() -> bool:
    """Whether torchvision's compiled operators load beside the torch that is installed."""
    import torch

    operators: Any = torch.ops
    spec = importlib.util.find_spec("torchvision")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    libraries = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]
    try:
        for library in libraries:
            operators.load_library(str(library))
    except OSError:
        return False
    return bool(libraries)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Looking for torchvision stays cheap: torch is imported only where torchvision is."""

    def exec_module(self, module: ModuleType) -> None:
        if not _keep_alive and not operators_load():
            _declare_operators()
        super().exec_module(module)


def _declare_operators() -> None:
    import torch

    untyped: Any = torch.library
    library = untyped.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(library)
