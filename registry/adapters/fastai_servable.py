"""A fastai learner of any kind that can be read, as one module that serves."""

from dataclasses import dataclass

from torch import nn  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.drawn_inputs import Draw, drawn_inputs
from registry.adapters.fastai_description import Export
from registry.adapters.fastai_export import VisionExport
from registry.adapters.fastai_table import TableExport
from registry.adapters.inert_modules import build_module, build_tensor
from registry.adapters.inert_pickle import InertArchive
from registry.adapters.servable import Servable, image_servable, table_servable


@dataclass(frozen=True, slots=True)
class ReadLearner:
    """What a learner becomes; inputs: prepared ones to try it with."""

    servable: Servable
    inputs: Draw


def read_learner(
    archive: InertArchive, export: Export, model: nn.Module | None = None
) -> ReadLearner:
    """The learner of an export; Invalid says what is not supported, and the way out.

    model: what its own code made, else it is made of the records.
    """
    made = (build_module(archive, export.model) if model is None else model).float()
    if isinstance(export, TableExport):
        servable = _table(export, made)
    else:
        servable = _vision(archive, export, made)
    return ReadLearner(servable, drawn_inputs(export.preprocessing))


def _vision(archive: InertArchive, export: VisionExport, made: nn.Module) -> Servable:
    normalize = export.normalize and (
        build_tensor(archive, export.normalize[0]).float(),
        build_tensor(archive, export.normalize[1]).float(),
    )
    return image_servable(
        made,
        export.preprocessing.shape,
        export.divide_by,
        export.resamplings,
        normalize,
        export.activation,
    )


def _table(export: TableExport, made: nn.Module) -> Servable:
    numbers = len(export.preprocessing.numbers)
    codes = len(export.preprocessing.columns) - numbers
    return table_servable(made, codes, numbers, export.activation)
