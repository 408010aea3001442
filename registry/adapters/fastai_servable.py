"""A fastai learner of any kind that can be read, as one module that serves."""

from dataclasses import dataclass

import numpy as np

from registry.adapters.fastai_export import VisionExport, read_vision_export
from registry.adapters.fastai_table import LEARNER, TableExport, read_table_export
from registry.adapters.graph_parity import Inputs, noise
from registry.adapters.inert_modules import build_module, build_tensor
from registry.adapters.inert_pickle import InertArchive, Record
from registry.adapters.made_rows import made_rows
from registry.adapters.row_values import RowPreprocessor
from registry.adapters.servable import Servable, image_servable, table_servable
from registry.documents.preprocessing import AnyPreprocessing
from registry.documents.table import TablePreprocessing


@dataclass(frozen=True, slots=True)
class ReadLearner:
    """What a learner becomes; inputs: prepared ones to try it with."""

    labels: tuple[str, ...]
    preprocessing: AnyPreprocessing
    activation: str
    python: str | None
    servable: Servable
    inputs: Inputs


def read_learner(archive: InertArchive) -> ReadLearner:
    """The learner in an archive; Invalid says what is not supported, and the way out."""
    root = archive.root
    if isinstance(root, Record) and root.name == LEARNER:
        return _table(archive, read_table_export(archive))
    return _vision(archive, read_vision_export(archive))


def _vision(archive: InertArchive, export: VisionExport) -> ReadLearner:
    normalize = export.normalize and (
        build_tensor(archive, export.normalize[0]).float(),
        build_tensor(archive, export.normalize[1]).float(),
    )
    shape = export.preprocessing.shape
    servable = image_servable(
        build_module(archive, export.model).float(),
        shape,
        export.divide_by,
        export.resamplings,
        normalize,
        export.activation,
    )
    return ReadLearner(
        export.labels, export.preprocessing, export.activation, export.python, servable,
        noise(shape),
    )  # fmt: skip


def _table(archive: InertArchive, export: TableExport) -> ReadLearner:
    document = export.preprocessing
    numbers = len(document.numbers)
    codes = len(document.columns) - numbers
    model = build_module(archive, export.model).float()
    servable = table_servable(model, codes, numbers, export.activation)
    return ReadLearner(
        export.labels, document, export.activation, export.python, servable, _rows(document)
    )


def _rows(document: TablePreprocessing) -> Inputs:
    prepare = RowPreprocessor(document).prepare
    return lambda n, draw: np.stack([prepare(row) for row in made_rows(document, n, draw)])
