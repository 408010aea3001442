"""What a learner's file says of itself: `python -m registry.adapters.fastai_description` reads it.

Nothing of the file is run here. Where its code makes the model in another process, that process
could say anything; what is believed of the file is what this one says.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from registry.adapters.fastai_export import VisionExport, read_vision_export
from registry.adapters.fastai_table import LEARNER, TableExport, read_table_export
from registry.adapters.inert_pickle import InertArchive, Record, read_archive
from registry.adapters.jail import Limits, Lock, insist_whole, lock_down
from registry.adapters.landlock import confine
from registry.adapters.subprocesses import Answer, reply

Export = VisionExport | TableExport


def read_export(archive: InertArchive) -> Export:
    """The learner in an archive; Invalid says what is not supported, and the way out."""
    root = archive.root
    if isinstance(root, Record) and root.name == LEARNER:
        return read_table_export(archive)
    return read_vision_export(archive)


def description(archive: InertArchive, export: Export, lock: Lock) -> dict[str, Any]:
    """All that is said of a model but what its graph is."""
    return {
        "labels": list(export.labels),
        "preprocessing": export.preprocessing.model_dump(mode="json"),
        "activation": export.activation,
        "threshold": export.threshold,
        "python": export.python,
        "globals": archive.report.document(),
        "jail": asdict(lock),
    }


def describe(question: Mapping[str, Any]) -> Answer:
    """Lock this process as the one that will run the file, then only read it."""
    path = Path(question["path"])
    files = confine([path, Path.cwd()])
    lock = replace(lock_down(Limits()), files=files)
    insist_whole(lock, unjailed=question["allow_unjailed"])
    archive = read_archive(path)
    return Answer(description(archive, read_export(archive), lock))


if __name__ == "__main__":
    reply(describe)
