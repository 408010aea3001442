"""The jailed converter: `python -m registry.adapters.convert` makes ONNX and JSON of a model file.

It limits what it can read, imports, locks itself in, and only then reads the file. Only bytes of
ONNX and a JSON document leave it, through the pipe that it was started with.
"""

import importlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from registry.adapters.fastai_loading import import_all, opened
from registry.adapters.jail import Limits, Lock, insist, insist_whole, lock_down
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply
from registry.documents.model_input import ModelInput
from registry.domain.formats import Format

_GRAPHS, _TORCH = (
    ("onnx", "onnxruntime"),
    ("torchvision", "onnxscript", "torch.onnx", "torch.export"),
)
_FASTAI = ("fastai.layers", "fastai.tabular.model", "fastai.vision.learner", "timm")


def convert(question: Mapping[str, Any]) -> Answer:
    """Lock this process, then convert the file at `question["path"]`."""
    path, kind = Path(question["path"]), Format(question["format"])
    files = confine([path, path.with_name("code.zip"), Path.cwd()])
    import_for(kind)
    runs = kind is Format.FASTAI and bool(question["run_code"])
    load = import_all() if runs else None
    lock = replace(lock_down(Limits()), files=files)
    if load is not None:
        insist_whole(lock, unjailed=question["allow_unjailed"])
    if kind is Format.FASTAI:
        return _convert_fastai(path, lock, load)
    return _convert_declared(kind, path, question, lock)


def _convert_fastai(path: Path, lock: Lock, load: Any) -> Answer:
    """load: fastai's own way to open the file, which runs what is in it; None to read it only.

    Once its code has run, only the graph and how it was tried are said here: see
    fastai_description.
    """
    from registry.adapters.fastai_description import description, read_export
    from registry.adapters.fastai_servable import read_learner
    from registry.adapters.graph_parity import graph_difference
    from registry.adapters.inert_pickle import read_archive
    from registry.adapters.onnx_export import export_onnx, said_by

    archive = read_archive(path)
    if load is None:
        archive.report.refuse_unknown()
    export = read_export(archive)
    model = None if load is None else opened(load, path, export.python).model
    learner = read_learner(archive, export, model)
    graph = export_onnx(learner.servable, len(export.labels))
    tried = {
        "feature_blocks": [{"name": b.name, "width": b.width} for b in learner.servable.blocks],
        "batches": graph_difference(said_by(learner.servable), graph, learner.inputs),
    }
    said = description(archive, export, lock) if load is None else {}
    return Answer({**said, **tried}, {"model.onnx": graph})


def _convert_declared(kind: Format, path: Path, question: Mapping[str, Any], lock: Lock) -> Answer:
    import numpy as np

    from registry.adapters.declared_input import as_taken, probabilities
    from registry.adapters.drawn_inputs import drawn_inputs
    from registry.adapters.graph_parity import graph_difference
    from registry.adapters.model_sources import check_behaviour, open_source
    from registry.adapters.onnx_wrap import wrap

    if kind is not Format.ONNX:
        insist(lock, unjailed=question["allow_unjailed"])
    declared = ModelInput.model_validate(question["input"])
    shape, labels = declared.preprocessing.shape, question["labels"]
    example = as_taken(np.zeros((2, *shape), np.uint8), declared)
    source = open_source(kind, path, question["factory"], example, len(labels))
    if kind is not Format.ONNX:
        check_behaviour(source, example)  # an exporter may quietly leave training mode
    wrapped = wrap(source.graph(), declared, len(labels))
    if kind is Format.ONNX:
        check_behaviour(source, example)

    def wanted(images: Any) -> Any:
        return probabilities(source.scores(as_taken(images, declared)), declared.activation)

    document = {
        "labels": labels,
        "preprocessing": declared.preprocessing.model_dump(mode="json"),
        "activation": wrapped.activation,
        "threshold": declared.threshold,
        "feature_blocks": [{"name": b.name, "width": b.width} for b in wrapped.blocks],
        "batches": graph_difference(wanted, wrapped.graph, drawn_inputs(declared.preprocessing)),
        "python": None,
        "globals": {"unknown": [], "unusual_calls": [], "known": {}},
        "jail": asdict(lock),
    }
    return Answer(document, {"model.onnx": wrapped.graph})


def import_for(kind: Format) -> None:
    """Everything that conversion needs, before the lock: reading it later would be slower."""
    names: tuple[str, ...] = _GRAPHS
    if kind is not Format.ONNX:
        import torch

        torch.set_num_threads(2)
        names += (*_FASTAI, *_TORCH) if kind is Format.FASTAI else _TORCH
    for name in names:
        importlib.import_module(name)


if __name__ == "__main__":
    reply(convert)
