"""The jailed converter: `python -m registry.adapters.convert` turns an export into ONNX and JSON.

It limits what it can read, imports, locks itself in, and only then reads the file. Only bytes of
ONNX and a JSON document leave it, through the pipe that it was started with.
"""

import importlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from registry.adapters.jail import Limits, lock_down
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply


def convert(question: Mapping[str, Any]) -> Answer:
    """Lock this process, then convert the fastai export at `question["path"]`."""
    path = Path(question["path"])
    files = confine([path, Path.cwd()])
    _import_all()
    lock = replace(lock_down(Limits()), files=files)
    from registry.adapters.fastai_export import read_vision_export
    from registry.adapters.inert_modules import build_module, build_tensor
    from registry.adapters.inert_pickle import read_archive
    from registry.adapters.onnx_export import export_onnx, graph_difference
    from registry.adapters.servable import Servable

    archive = read_archive(path)
    archive.report.refuse_unknown()
    export = read_vision_export(archive)
    normalize = export.normalize and (
        build_tensor(archive, export.normalize[0]).float(),
        build_tensor(archive, export.normalize[1]).float(),
    )
    servable = Servable(
        build_module(archive, export.model).float(),
        export.preprocessing.shape,
        export.divide_by,
        export.resamplings,
        normalize,
        export.activation,
    )
    shape = export.preprocessing.shape
    graph = export_onnx(servable, shape, len(export.labels))
    document = {
        "labels": list(export.labels),
        "preprocessing": export.preprocessing.model_dump(mode="json"),
        "activation": export.activation,
        "feature_blocks": [{"name": b.name, "width": b.width} for b in servable.blocks],
        "batches": graph_difference(servable, graph, shape),
        "python": export.python,
        "globals": archive.report.document(),
        "jail": asdict(lock),
    }
    return Answer(document, {"model.onnx": graph})


def _import_all() -> None:
    """Everything that conversion needs, before the lock: reading it later would be slower."""
    from registry.adapters.torch_shim import import_torchvision

    import_torchvision()
    for name in ("fastai.layers", "onnx", "onnxruntime", "onnxscript", "torch.onnx"):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(2)


if __name__ == "__main__":
    reply(convert)
