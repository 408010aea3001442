"""The unjailed side of conversion: asks the jailed processes and believes nothing unchecked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from registry.adapters.fastai_loading import refuse_other_python
from registry.adapters.onnx_check import MAX_GRAPH_BYTES, check_graph
from registry.adapters.subprocesses import Answer, ask
from registry.documents.manifest import Block
from registry.documents.preprocessing import AnyPreprocessing
from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.domain.observations import FeatureBlock, FloatArray
from registry.domain.several import check_several
from registry.registration import Converted, Declared, OriginalAnswers

SECONDS = 600.0
MAX_NUMBERS = 64 << 20
_STRICT = ConfigDict(frozen=True, extra="forbid")
_Batch = Literal["1", "2", "5"]  # those that the converter tries; all of them
_Global = Annotated[str, Field(max_length=1_000)]
_Label = Annotated[str, Field(min_length=1, max_length=256)]


class _AnyGlobals(BaseModel):
    model_config = _STRICT

    unknown: Annotated[tuple[_Global, ...], Field(max_length=1_000)]
    unusual_calls: Annotated[tuple[_Global, ...], Field(max_length=1_000)]
    known: dict[str, int]


class _Globals(_AnyGlobals):
    unknown: Annotated[tuple[_Global, ...], Field(max_length=0)]
    unusual_calls: Annotated[tuple[_Global, ...], Field(max_length=0)]


class _Jail(BaseModel):
    model_config = _STRICT

    limits: bool
    filter: bool
    files: bool
    sentence: Annotated[str, Field(max_length=400)]


class _Graph(BaseModel):
    """What the converter may say of a graph, also after it ran code of the file."""

    model_config = _STRICT

    feature_blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=64)]
    batches: Annotated[dict[_Batch, float], Field(min_length=3)]


class _Description(BaseModel):
    """What a process that runs nothing of a file may say of it."""

    model_config = _STRICT

    labels: Annotated[tuple[_Label, ...], Field(min_length=2, max_length=10_000)]
    preprocessing: AnyPreprocessing
    activation: Literal["softmax", "sigmoid"]
    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    python: Annotated[str, Field(pattern=r"^3\.\d+$")] | None
    globals: _AnyGlobals
    jail: _Jail


class _Conversion(_Description, _Graph):
    """What the converter may say where it runs nothing: nothing unknown was opened."""

    globals: _Globals


class _Reference(BaseModel):
    """What the process with the original may say."""

    model_config = _STRICT

    labels: tuple[_Label, ...]
    single_labels: tuple[str, ...]
    jail: _Jail


class JailedConverter:
    """Converts in a jailed process; `scratch` is that process's home.

    run_code: the file is opened there by fastai itself, which runs the code that it carries.
    allow_unjailed: that also where no whole jail can be had.
    """

    def __init__(
        self, scratch: Path, *, run_code: bool = False, allow_unjailed: bool = False
    ) -> None:
        self.scratch = scratch
        self.run_code = run_code
        self.allow_unjailed = allow_unjailed

    def convert(self, path: Path) -> Converted:
        """ONNX and JSON of a fastai export."""
        question = {
            "format": Format.FASTAI,
            "path": str(path.resolve()),
            "run_code": self.run_code,
            "allow_unjailed": self.allow_unjailed,
        }
        if not self.run_code:
            return _converted(question, self.scratch)
        said = _described(path, self.scratch, allow_unjailed=self.allow_unjailed)
        answer = _ask_converter(question, self.scratch)
        return _checked(said, _read(_Graph, answer.document), answer)


class FastaiOriginal:
    """Runs the real fastai on an export whose globals are all known, in a jailed process.

    allow_unjailed: also where that process cannot be locked in. run_code: not all are known.
    """

    def __init__(
        self, scratch: Path, *, run_code: bool = False, allow_unjailed: bool = False
    ) -> None:
        self.scratch = scratch
        self.run_code = run_code
        self.allow_unjailed = allow_unjailed

    def answers(
        self, export: Path, images: Sequence[Path], single: int, python: str | None
    ) -> OriginalAnswers:
        """get_preds on all images, predict on the first `single`."""
        refuse_other_python(python)
        paths = [str(path.resolve()) for path in images]
        question = {
            "path": str(export.resolve()),
            "images": paths,
            "single": single,
            "run_code": self.run_code,
            "allow_unjailed": self.allow_unjailed,
        }
        said = _answers("registry.adapters.fastai_reference", question, self.scratch)
        if not self.run_code:
            return said
        read = _described(export, self.scratch, allow_unjailed=self.allow_unjailed)
        return replace(said, jail=read.jail.model_dump())  # its own word came after code had run


class DeclaredModel:
    """Converts a file that does not describe itself, and runs it as its maker left it.

    Implements Converter and Original of registry.registration for every format but fastai.
    """

    def __init__(
        self, kind: Format, declared: Declared, scratch: Path, *, allow_unjailed: bool = False
    ) -> None:
        self.kind = kind
        self.declared = declared
        self.scratch = scratch
        self.allow_unjailed = allow_unjailed

    def convert(self, path: Path) -> Converted:
        """ONNX and JSON of the file, by what was declared."""
        return _converted(self._question(path), self.scratch)

    def answers(
        self, export: Path, images: Sequence[Path], single: int, python: str | None
    ) -> OriginalAnswers:
        """The model's own probabilities of all images, of the first `single` one by one."""
        del python  # none of these formats carries code of one Python
        question = {
            **self._question(export),
            "images": [str(path.resolve()) for path in images],
            "single": min(single, len(images)),
        }
        return _answers("registry.adapters.declared_reference", question, self.scratch)

    def _question(self, path: Path) -> dict[str, Any]:
        return {
            "format": self.kind,
            "path": str(path.resolve()),
            "input": self.declared.input.model_dump(mode="json"),
            "labels": list(self.declared.labels),
            "factory": self.declared.factory,
            "allow_unjailed": self.allow_unjailed,
        }


def _described(path: Path, scratch: Path, *, allow_unjailed: bool) -> _Description:
    """What an export says of itself to a process that only reads it."""
    question = {"path": str(path.resolve()), "allow_unjailed": allow_unjailed}
    answer = ask("registry.adapters.fastai_description", question, scratch, SECONDS, 0)
    return _read(_Description, answer.document)


def _converted(question: Mapping[str, Any], scratch: Path) -> Converted:
    answer = _ask_converter(question, scratch)
    said = _read(_Conversion, answer.document)
    return _checked(said, said, answer)


def _ask_converter(question: Mapping[str, Any], scratch: Path) -> Answer:
    return ask("registry.adapters.convert", question, scratch, SECONDS, MAX_GRAPH_BYTES)


def _checked(said: _Description, made: _Graph, answer: Answer) -> Converted:
    if len(set(said.labels)) != len(said.labels):
        raise Invalid(f"the export names a label twice: {', '.join(said.labels)}")
    if said.threshold is not None:
        _check_several(said)
    graph = answer.blobs.get("model.onnx", b"")
    width = sum(block.width for block in made.feature_blocks)
    check_graph(graph, said.preprocessing.shape, len(said.labels), width)
    return Converted(
        labels=said.labels,
        preprocessing=said.preprocessing,
        activation=said.activation,
        threshold=said.threshold,
        blocks=tuple(FeatureBlock(b.name, b.width) for b in made.feature_blocks),
        batches={str(n): difference for n, difference in made.batches.items()},
        python=said.python,
        globals=said.globals.model_dump(),
        jail=said.jail.model_dump(),
        graph=graph,
    )


def _check_several(said: _Description) -> None:
    check_several(said.labels)
    if said.activation != "sigmoid":
        raise Invalid(
            "a threshold is for labels that apply each by itself, and the graph does not end with"
            " Sigmoid; export it so that it gives scores, and say `activation: sigmoid`"
        )


def _answers(module: str, question: Mapping[str, Any], scratch: Path) -> OriginalAnswers:
    answer = ask(module, question, scratch, SECONDS, MAX_NUMBERS)
    said = _read(_Reference, answer.document)
    rows, labels = len(question["images"]), len(said.labels)
    return OriginalAnswers(
        labels=said.labels,
        batch=_floats(answer.blobs, "batch", rows, labels),
        single=_floats(answer.blobs, "single", min(question["single"], rows), labels),
        single_labels=said.single_labels,
        jail=said.jail.model_dump(),
    )


_Document = TypeVar("_Document", bound=BaseModel)


def _read(kind: type[_Document], document: Mapping[str, Any]) -> _Document:
    try:
        return kind.model_validate(dict(document))
    except ValueError as error:
        raise Invalid(f"the converting process answered out of turn: {error}") from error


def _floats(blobs: Mapping[str, bytes], name: str, rows: int, columns: int) -> FloatArray:
    data = blobs.get(name, b"")
    if len(data) != 4 * rows * columns:
        raise Invalid(f"the original answered {len(data)} bytes for {rows} x {columns} numbers")
    return np.frombuffer(data, dtype="<f4").reshape(rows, columns)
