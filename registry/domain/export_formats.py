"""The formats that a version can be written in, and how each is judged."""

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.errors import Invalid


class ExportFormat(StrEnum):
    """What `model export --to` takes."""

    TORCHSCRIPT = "torchscript"
    EXPORTED = "exported"
    AOT_INDUCTOR = "aot-inductor"
    EXECUTORCH = "executorch"
    LITERT = "litert"
    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
    ONNX_PRUNED = "onnx-pruned"
    TRITON = "triton"


INEXACT = frozenset({ExportFormat.ONNX_INT8, ExportFormat.ONNX_PRUNED})
"""Formats whose numbers differ by design; they are judged by the classes that they give."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How a version is to be exported.

    dynamic: integers of weights alone, for onnx-int8. amount: the share of each layer's weights
    that become 0, for onnx-pruned. agreement: the least share of inputs whose class stays.
    accuracy_drop: by how much the share of right answers may fall.
    """

    dynamic: bool = False
    amount: float = 0.3
    agreement: float = 0.95
    accuracy_drop: float = 0.02

    def __post_init__(self) -> None:
        for name in ("amount", "agreement", "accuracy_drop"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                option = name.replace("_", "-")
                raise Invalid(f"--{option} is a share from 0 to 1, not {value:g}")
