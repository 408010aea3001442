"""A fastai learner of any kind that can be read, as one module that serves."""

from dataclasses import dataclass

from torch import nn  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.drawn_inputs import Draw, drawn_inputs
from registry.adapters.fastai_export import VisionExport, read_vision_export
from registry.adapters.fastai_table import LEARNER, TableExport, read_table_export
from registry.adapters.inert_modules import build_module, build_tensor
from registry.adapters.inert_pickle import InertArchive, Record
from registry.adapters.servable import Servable, image_servable, table_servable
from registry.documents.preprocessing import AnyPreprocessing


@dataclass(frozen=True, slots=True)
class ReadLearner:
    """What a learner becomes; inputs: prepared ones to try it with."""

    labels: tuple[str, ...]
    preprocessing: AnyPreprocessing
    activation: str
    python: str | None
    servable: Servable
    inputs: Draw
    threshold: float | None = None


def read_learner(archive: InertArchive, model: nn.Module | None = None) -> ReadLearner:
    """The learner in an archive; Invalid says what is not supported, and the way out.

    model: what its own code made, else it is made of the records.
    """
    root = archive.root
    if isinstance(root, Record) and root.name == LEARNER:
        return _table(archive, read_table_export(archive), model)
    return _vision(archive, read_vision_export(archive), model)


def _vision(archive: InertArchive, export: VisionExport, model: nn.Module | None) -> ReadLearner:
    normalize = export.normalize and (
        build_tensor(archive, export.normalize[0]).float(),
        build_tensor(archive, export.normalize[1]).float(),
    )
    shape = export.preprocessing.shape
    made = build_module(archive, export.model) if model is None else model
    servable = image_servable(
        made.float(),
        shape,
        export.divide_by,
        export.resamplings,
        normalize,
        export.activation,
    )
    return ReadLearner(
        export.labels, export.preprocessing, export.activation, export.python, servable,
        drawn_inputs(export.preprocessing), export.threshold,
    )  # fmt: skip


def _table(archive: InertArchive, export: TableExport, model: nn.Module | None) -> ReadLearner:
    document = export.preprocessing
    numbers = len(document.numbers)
    codes = len(document.columns) - numbers
    made = build_module(archive, export.model) if model is None else model
    servable = table_servable(made.float(), codes, numbers, export.activation)
    return ReadLearner(
        export.labels, document, export.activation, export.python, servable, drawn_inputs(document)
    )
