"""From inert records to live torch modules and tensors, by an allow-list of classes.

Only classes that torch.nn, torchvision.models and fastai define themselves are made, without
calling their constructors, and only tensors, numbers, strings and other such modules are put in.
"""

import importlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch  # noqa: TID253 - only the jailed converter imports this module

from registry.adapters.inert_pickle import InertArchive, Record, StorageReference
from registry.adapters.torch_archive import EXPORT_YOURSELF
from registry.domain.errors import Invalid

_MODULES = (
    "torch.nn.modules.", "torchvision.models.", "torchvision.ops.misc.", "fastai.layers.",
    "fastai.tabular.model.", "fastai.vision.learner.TimmBody", "timm.models.", "timm.layers.",
    "torchvision.ops.stochastic_depth.",
)  # fmt: skip
_FUNCTIONS = frozenset({"torch.nn.functional.relu", "fastai.imports.noop"})
_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_MAX_DEPTH = 100
_NAME = re.compile(r"\w+", re.ASCII)


def build_module(archive: InertArchive, record: Any) -> torch.nn.Module:
    """The module that this record describes; Invalid names what is not allowed in one."""
    built = _Builder(archive).build(record, 0)
    if not isinstance(built, torch.nn.Module):
        raise Invalid(f"the export's model is {_named(record)}, not a torch module")
    return built


def build_tensor(archive: InertArchive, record: Any) -> torch.Tensor:
    """The tensor that this record describes."""
    built = _Builder(archive).build(record, 0)
    if not isinstance(built, torch.Tensor):
        raise Invalid(f"a tensor was expected where the export has {_named(record)}")
    return built


class _Builder:
    """Builds each record once, so that shared parts stay shared."""

    def __init__(self, archive: InertArchive) -> None:
        self.archive = archive
        self.done: dict[int, Any] = {}

    def build(self, node: Any, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise Invalid("the export's model is nested deeper than any known architecture")
        if node is None or isinstance(node, (bool, int, float, str)):
            return node
        if isinstance(node, type) and issubclass(node, Record):
            return _function(node.name)
        if isinstance(node, Record):
            if id(node) not in self.done:
                self.done[id(node)] = self._record(node, depth + 1)
            return self.done[id(node)]
        return self._container(node, depth + 1)

    def _container(self, node: Any, depth: int) -> Any:
        if isinstance(node, Mapping):
            return {_key(k): self.build(v, depth) for k, v in node.items()}
        if type(node) in (list, tuple, set):
            return type(node)(self.build(v, depth) for v in node)
        raise Invalid(f"the export's model holds a {_named(node)}, which no layer needs")

    def _record(self, record: Record, depth: int) -> Any:
        if record.name in _TENSORS:
            return _TENSORS[record.name](self, record, depth)
        if record.name.startswith(_MODULES):
            return self._module(record, depth)
        raise Invalid(
            f"the export's model contains {record.name}, which stagegate does not know how to"
            f" rebuild. {EXPORT_YOURSELF}"
        )

    def _module(self, record: Record, depth: int) -> torch.nn.Module:
        kind = _module_class(record.name)
        state = record.state
        if not isinstance(state, dict):
            raise Invalid(f"the export's {record.name} has no state that stagegate can read")
        module: torch.nn.Module = object.__new__(kind)
        self.done[id(record)] = module
        # Older exports lack attributes that newer torch adds; a fresh module has them all.
        module.__dict__.update(torch.nn.Module().__dict__)
        module.__dict__.update({_key(k): self.build(v, depth) for k, v in state.items()})
        return module

    def tensor(self, record: Record, depth: int) -> torch.Tensor:
        del depth
        reference, offset, size, stride = record.args[:4]
        if not isinstance(reference, StorageReference) or reference.kind not in _DTYPES:
            raise Invalid(f"the export has a tensor of {_named(reference)}, which is not supported")
        data = bytearray(self.archive.storage(reference))
        flat = torch.frombuffer(data, dtype=_DTYPES[reference.kind]) if data else torch.empty(0)
        shape, steps = _integers(size), _integers(stride)
        last = int(offset) + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
        if min((0, int(offset), *shape, *steps)) < 0 or (0 not in shape and last >= len(flat)):
            raise Invalid("a tensor of the export reaches beyond its data; the file is damaged")
        return flat.as_strided(shape, steps, int(offset)).clone()

    def parameter(self, record: Record, depth: int) -> torch.nn.Parameter:
        data = self.build(record.args[0], depth)
        return torch.nn.Parameter(data, requires_grad=False)

    def subclass(self, record: Record, depth: int) -> Any:
        # fastai's subclasses of Tensor carry methods for display; the numbers are what counts
        rebuild, _, arguments, _ = record.args
        return self.build(rebuild(*arguments), depth)

    def ordered(self, record: Record, depth: int) -> "OrderedDict[str, Any]":
        return OrderedDict((_key(k), self.build(v, depth)) for k, v in record.items)

    def size(self, record: Record, depth: int) -> torch.Size:
        del depth
        return torch.Size(_integers(record.args[0]))

    def arrangement(self, record: Record, depth: int) -> Any:
        """How timm's transformers lay out their patches, an enumeration."""
        kind = importlib.import_module("timm.layers.format").Format
        try:
            return kind(self.build(record.args[0], depth) if record.args else None)
        except ValueError as error:
            raise Invalid(f"a layer of the export has an unknown layout: {error}") from error

    def plain_set(self, record: Record, depth: int) -> set[Any]:
        return {self.build(v, depth) for v in (record.args[0] if record.args else ())}


_TENSORS: Mapping[str, Callable[[_Builder, Record, int], Any]] = {
    "torch._utils._rebuild_tensor_v2": _Builder.tensor,
    "torch._utils._rebuild_parameter": _Builder.parameter,
    "torch._tensor._rebuild_from_type_v2": _Builder.subclass,
    "collections.OrderedDict": _Builder.ordered,
    "torch.Size": _Builder.size,
    "__builtin__.set": _Builder.plain_set,
    "builtins.set": _Builder.plain_set,
    "timm.layers.format.Format": _Builder.arrangement,
}


def _module_class(name: str) -> type[torch.nn.Module]:
    module_name, _, class_name = name.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError):
        raise Invalid(f"this environment has no {name}; {_OTHER_VERSIONS}") from None
    if not isinstance(kind, type) or not issubclass(kind, torch.nn.Module):
        raise Invalid(f"the export's model contains {name}, which is not a torch module")
    return kind


_OTHER_VERSIONS = "register with the versions of torch, torchvision and fastai it was exported with"


def _function(name: str) -> Any:
    if name not in _FUNCTIONS:
        raise Invalid(
            f"a layer of the export's model uses {name}, which stagegate cannot rebuild."
            f" {EXPORT_YOURSELF}"
        )
    module_name, _, function_name = name.rpartition(".")
    return getattr(importlib.import_module(module_name), function_name)


def _integers(values: Any) -> tuple[int, ...]:
    if isinstance(values, Record):
        values = values.args[0] if values.args else ()
    if not isinstance(values, (tuple, list)) or not all(isinstance(v, int) for v in values):
        raise Invalid(f"a tensor of the export has the shape {values!r}")
    return tuple(values)


def _key(key: Any) -> str:
    # The exporter writes names into the Python source that it generates, as they stand.
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise Invalid(f"a layer of the export has an attribute named {key!r}")
    return key


def _named(node: Any) -> str:
    return node.name if isinstance(node, Record) else type(node).__name__
