"""The original's own answers, for formats that do not describe themselves.

`python -m registry.adapters.declared_reference` runs TorchScript, torch.export programs, modules
of a factory or foreign ONNX as they are, in a process that is locked in like the converter, on
images that numpy prepares as declared. Numbers leave it as plain bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from registry.adapters.convert import import_for
from registry.adapters.jail import Limits, insist, lock_down
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply
from registry.documents.model_input import ModelInput
from registry.domain.formats import Format
from registry.domain.several import named

BATCH = 16


def answer(question: Mapping[str, Any]) -> Answer:
    """Probabilities of all images in batches, and of the first few one by one."""
    path, images = Path(question["path"]), [Path(image) for image in question["images"]]
    kind = Format(question["format"])
    files = confine([path, path.with_name("code.zip"), *images, Path.cwd()])
    import_for(kind)
    lock = replace(lock_down(Limits()), files=files)
    if kind is not Format.ONNX:
        insist(lock, unjailed=question["allow_unjailed"])
    from registry.adapters.declared_input import as_taken, probabilities
    from registry.adapters.imaging import ImagePreprocessor
    from registry.adapters.model_sources import open_source

    declared = ModelInput.model_validate(question["input"])
    prepare = ImagePreprocessor(declared.preprocessing).prepare
    prepared = np.stack([prepare(image.read_bytes()) for image in images])
    example = as_taken(prepared[:1].repeat(2, axis=0), declared)
    source = open_source(kind, path, question["factory"], example, len(question["labels"]))

    def ask(part: Any) -> Any:
        return probabilities(source.scores(as_taken(part, declared)), declared.activation)

    parts = [prepared[at : at + BATCH] for at in range(0, len(prepared), BATCH)]
    batch = np.concatenate([ask(part) for part in parts])
    single = np.concatenate([ask(prepared[i : i + 1]) for i in range(question["single"])])
    labels = question["labels"]
    document = {
        "labels": labels,
        "single_labels": [named(labels, row, declared.threshold) for row in single.tolist()],
        "jail": asdict(lock),
    }
    return Answer(document, {"batch": _bytes(batch), "single": _bytes(single)})


def _bytes(numbers: Any) -> bytes:
    return np.ascontiguousarray(numbers, dtype="<f4").tobytes()


if __name__ == "__main__":
    reply(answer)
