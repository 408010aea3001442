"""Opening a learner by fastai itself, which runs what its pickle says: only in a locked process."""

import sys
from pathlib import Path
from typing import Any

from registry.domain.errors import Invalid


def import_all() -> Any:
    """Everything that fastai needs, before the lock; gives its `load_learner`."""
    import fastai.tabular.all
    import fastai.vision.all
    import torch

    torch.set_num_threads(2)
    return fastai.vision.all.load_learner


def opened(load_learner: Any, path: Path, python: str | None = None) -> Any:
    """The learner in a file; python: which one its code is for."""
    refuse_other_python(python)
    try:
        return load_learner(path, cpu=True)
    except Exception as error:
        raise Invalid(
            f"fastai itself cannot load {path.name} here ({type(error).__name__}: {error}); load it"
            " with load_learner where it was exported, or register there"
        ) from error


def refuse_other_python(python: str | None) -> None:
    """Invalid if an export carries code of another Python than this one."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if python is not None and python != here:
        raise Invalid(
            f"the export carries code of Python {python}, which Python {here} cannot run;"
            f" register it from an environment with Python {python}"
        )
