"""Proving that a converted model answers like its original, now and whenever it is opened again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.documents.proof import Proof, make_proof
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.domain.parity import Parity, compare, compare_batches, compare_labels, tolerance_for
from registry.domain.several import named
from registry.registration import Answering, Converted, Labelled, Original, OriginalAnswers

BATCH = 32
SAMPLE, SINGLE = 64, 16


@dataclass(frozen=True, slots=True)
class Asked:
    """How the original is asked for everything in batches, and for some one by one."""

    batch: str
    single: str


_OF_FASTAI = Asked("learn.get_preds", "learn.predict")
_OF_OTHERS = Asked("the original in batches", "the original one by one")


def asked_by(kind: Format) -> Asked:
    """The names that a person knows them by."""
    return _OF_FASTAI if kind is Format.FASTAI else _OF_OTHERS


@dataclass(frozen=True, slots=True)
class Question:
    """What both models are asked: the export, training inputs, and those that are kept."""

    export: Path
    training: tuple[Path, ...]
    pictures: Mapping[str, bytes]
    asked: Asked


@dataclass(frozen=True, slots=True)
class Proven:
    """That they agree, what a bundle keeps of it, and what the original was locked in by."""

    parity: Parity
    proof: Proof
    jail: Mapping[str, Any]


def prove(
    question: Question,
    converted: Converted,
    original: Original,
    answering: Answering,
    scratch: Path,
) -> Proven:
    """Compare with the original; Invalid if any answer differs by more than the tolerance.

    fastai is asked once with everything in batches (get_preds) and, for some, one by one
    (predict). Our own answers must moreover not depend on the rest of a batch, nor on the time.
    """
    kept = _write(question.pictures, scratch)
    images = [*question.training, *kept]
    wanted = original.answers(question.export, images, SINGLE, converted.python)
    if wanted.labels != converted.labels:
        raise Invalid(f"the original's labels are {wanted.labels}, not {converted.labels}")
    tolerance = tolerance_for(wanted.single, wanted.batch[: len(wanted.single)])
    encoded = [path.read_bytes() for path in images]
    parity = _compare(encoded, wanted, converted, answering, tolerance, question.asked)
    if not parity.passed:
        raise Invalid(
            f"the converted model does not answer like the original: {'; '.join(parity.failures)}."
            " Nothing was registered; please report the architecture and its transforms"
        )
    proof = make_proof(question.pictures, wanted.batch[len(question.training) :], tolerance)
    return Proven(parity, proof, wanted.jail)


def spread(samples: Sequence[Labelled], count: int = SAMPLE) -> tuple[Labelled, ...]:
    """`count` inputs at even distances, so that no label is left out; all when there are fewer."""
    if len(samples) <= count:
        return tuple(samples)
    last = len(samples) - 1
    return tuple(samples[round(i * last / (count - 1))] for i in range(count))


def files_of(samples: Sequence[Labelled], folder: Path) -> tuple[Path, ...]:
    """Where they are on disk; rows of a table are written into the folder."""
    return tuple(sample.file(folder) for sample in samples)


def _write(pictures: Mapping[str, bytes], scratch: Path) -> list[Path]:
    paths = []
    for name, data in pictures.items():
        path = scratch / name
        path.write_bytes(data)
        paths.append(path)
    return paths


def _compare(
    pictures: Sequence[bytes],
    wanted: OriginalAnswers,
    converted: Converted,
    answering: Answering,
    tolerance: float,
    asked: Asked,
) -> Parity:
    found = answering.probabilities(pictures, BATCH)
    single = found[: len(wanted.single)]
    names = [named(converted.labels, row, converted.threshold) for row in single.tolist()]
    return Parity(
        (
            compare(asked.batch, found, wanted.batch, tolerance),
            compare(asked.single, single, wanted.single, tolerance),
            compare_labels(f"labels of {asked.single}", names, wanted.single_labels),
            compare("alone and in a batch", answering.probabilities(pictures, 1), found, tolerance),
            compare("asked twice", answering.probabilities(pictures, BATCH), found),
            *compare_batches(converted.batches, tolerance),
        )
    )
