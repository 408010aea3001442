"""Training images that may be mislabelled: those most like an image that people named otherwise."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.bundle import open_bundle
from registry.adapters.image_folder import ImageFolders
from registry.adapters.onnx_runtimes import OnnxRuntimes
from registry.documents.preprocessing import Preprocessing
from registry.domain.errors import Invalid, StagegateError
from registry.domain.observations import FloatArray
from registry.registration import Answering, LabelledImage
from serving.domain.suspects import Suspicion, nearest_that_disagree

_BATCH = 32


def suspects(
    bundle_path: Path,
    labels: Sequence[str],
    training: Path,
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
) -> list[tuple[str, str, str, float, str]]:
    """Training file and label, the label that people found for its likeness, how alike, and that.

    rows: decided answers with their image's `file` below `folder`. The version's own penultimate
    features say what is alike.
    """
    bundle = open_bundle(bundle_path)
    if not isinstance(bundle.preprocessing(), Preprocessing):
        raise Invalid(
            "mislabelled training data are looked for among images only, and this model reads rows;"
            " leave --training-data out"
        )
    if bundle.manifest.threshold is not None:
        raise Invalid(
            "mislabelled training data are looked for where an image has one label, and this model"
            " gives several; leave --training-data out"
        )
    answering = OnnxRuntimes().open(bundle.preprocessing(), bundle.model)
    width = bundle.manifest.blocks[-1].width
    known = ImageFolders().read(training, labels)
    index = {label: i for i, label in enumerate(labels)}
    found = [r for r in rows if r["file"] is not None and r["label"] in index]
    decided = [LabelledImage(folder / r["file"], index[r["label"]]) for r in found]
    readable = [one for one in decided if _is_readable(answering, one)]
    if not readable:
        return []
    said = nearest_that_disagree(
        _features(answering, known, width),
        np.array([one.label for one in known]),
        _features(answering, readable, width),
        np.array([one.label for one in readable]),
    )
    return [_row(one, known, readable, labels, training, folder) for one in said]


def _row(
    one: Suspicion,
    known: Sequence[LabelledImage],
    decided: Sequence[LabelledImage],
    labels: Sequence[str],
    training: Path,
    folder: Path,
) -> tuple[str, str, str, float, str]:
    image, like = known[one.training], decided[one.decided]
    return (
        image.path.relative_to(training).as_posix(),
        labels[image.label],
        labels[like.label],
        round(one.similarity, 4),
        like.path.relative_to(folder).as_posix(),
    )


def _features(answering: Answering, images: Sequence[LabelledImage], width: int) -> FloatArray:
    seen = [part.features[:, -width:] for part in answering.observe(images, _BATCH)]
    return np.concatenate(seen)


def _is_readable(answering: Answering, image: LabelledImage) -> bool:
    try:
        answering.probabilities([image.path.read_bytes()], 1)
    except StagegateError:
        return False
    return True
