"""Letting torchvision import beside a torch whose build does not match its compiled operators."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_keep_alive: list[Any] = []


def import_torchvision() -> Any:
    """The torchvision module.

    The wheels of torchvision on the index are linked with CUDA; beside a CPU build of torch their
    library does not load, and the import stops at the missing declaration of `nms`. No model here
    uses that operator, so declaring it is enough.
    """
    if not _keep_alive and not _operators_load():
        _declare_operators()
    return importlib.import_module("torchvision")


def _operators_load() -> bool:
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


def _declare_operators() -> None:
    import torch

    untyped: Any = torch.library
    library = untyped.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(library)
