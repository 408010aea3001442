"""The file `scorer.npz`: a scorer as plain numpy arrays, read without unpickling anything."""

import io
import json
from typing import Any
from zipfile import BadZipFile

import numpy as np

from monitoring.domain.conformal import Surprise
from monitoring.domain.gaussian import ClassGaussians
from monitoring.domain.out_of_domain import SCORES, Scorer
from registry.domain.errors import Invalid

FORMAT = 2
_GAUSSIANS = ("all_blocks", "last_block", "as_one", "appearance")
_PARTS = ("origin", "whitening", "centres", "classes")


def to_bytes(scorer: Scorer) -> bytes:
    """The file's content; the same scorer gives the same bytes."""
    head = {"format": FORMAT, "labels": scorer.labels, "penultimate": scorer.penultimate}
    arrays: dict[str, Any] = {
        "head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
        "held_out": scorer.held_out,
    }
    for name in _GAUSSIANS:
        gaussians = getattr(scorer, name)
        arrays |= {f"{name}.{part}": getattr(gaussians, part) for part in _PARTS}
    for name, surprise in zip(SCORES, scorer.surprises, strict=True):
        arrays[f"{name}.values"] = surprise.values
        arrays[f"{name}.surprises"] = surprise.surprises
        arrays[f"{name}.tail"] = np.array([surprise.slope, surprise.usual])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(content: bytes) -> Scorer:
    """The scorer; Invalid if the file is damaged or of another version."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays["head"].tobytes())
        if head["format"] != FORMAT:
            raise Invalid(
                f"scorer.npz has format {head['format']}, this release reads {FORMAT}; "
                "register the version again"
            )
        return _scorer(head, arrays)
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as error:
        raise Invalid(f"scorer.npz cannot be read ({error}); register the version again") from error


def _scorer(head: dict[str, Any], arrays: dict[str, Any]) -> Scorer:
    gaussians = {
        name: ClassGaussians(*(arrays[f"{name}.{part}"] for part in _PARTS)) for name in _GAUSSIANS
    }
    surprises = tuple(
        Surprise(
            arrays[f"{name}.values"],
            arrays[f"{name}.surprises"],
            *(float(x) for x in arrays[f"{name}.tail"]),
        )
        for name in SCORES
    )
    return Scorer(
        labels=tuple(head["labels"]),
        penultimate=int(head["penultimate"]),
        **gaussians,
        surprises=surprises,
        held_out=arrays["held_out"],
    )
