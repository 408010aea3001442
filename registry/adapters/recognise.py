"""Telling what kind of model file this is, by its content; nothing in it is believed or run."""

import zipfile
from pathlib import Path

from registry.adapters.torch_archive import names_in
from registry.domain.errors import Invalid
from registry.domain.formats import Format

_NOT_KNOWN = (
    "{name} is no model file that stagegate knows: a fastai export (Learner.export()), a state_dict"
    " (.pt, .pth, .safetensors), TorchScript, torch.export (.pt2) or ONNX"
)


_BY_NAME = {".onnx": Format.ONNX, ".safetensors": Format.STATE_DICT}
_PICKLES = frozenset({".pkl", ".pt", ".pth"})


def recognise(path: Path) -> Format:
    """The format of a file; Invalid if it is none that is known."""
    if path.suffix in _BY_NAME:
        return _BY_NAME[path.suffix]
    if zipfile.is_zipfile(path):
        found = _archive(path)
    else:  # the intake of fastai says what is wrong with a bare pickle
        found = Format.FASTAI if path.suffix in _PICKLES else None
    if found is None:
        raise Invalid(_NOT_KNOWN.format(name=path.name))
    return found


def _archive(path: Path) -> Format | None:
    names = {name.partition("/")[2] for name in names_in(path)}
    if "archive_format" in names:
        return Format.EXPORTED
    if "constants.pkl" in names:
        return Format.TORCHSCRIPT
    if "data.pkl" in names:
        return Format.FASTAI if path.suffix == ".pkl" else Format.STATE_DICT
    return None
