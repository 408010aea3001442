"""The formats that a version may be registered from, and what each asks of whoever registers it."""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """A kind of model file."""

    FASTAI = "fastai"
    STATE_DICT = "state-dict"
    TORCHSCRIPT = "torchscript"
    EXPORTED = "exported"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True)
class Needs:
    """What registration has to be told beside the file.

    described: how to preprocess and what the labels are, since the file does not say. code: the
    factory that builds the module. trust: the file is or may be a pickle.
    """

    described: bool = True
    code: bool = False
    trust: bool = False


NEEDS = {
    Format.FASTAI: Needs(described=False, trust=True),
    Format.STATE_DICT: Needs(code=True, trust=True),
    Format.TORCHSCRIPT: Needs(),
    Format.EXPORTED: Needs(),
    Format.ONNX: Needs(),
}


def needs(kind: Format, suffix: str) -> Needs:
    """What a file of this format and name needs; weights in safetensors are no pickle."""
    is_safe = kind is Format.STATE_DICT and suffix == ".safetensors"
    return Needs(code=True) if is_safe else NEEDS[kind]
