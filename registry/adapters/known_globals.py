"""Which names a fastai export needs, and which of them it calls with which arguments.

Gathered from exports by fastai 2.8 of vision learners (crop, pad, squish, presizing, label
functions, ResNets, plain Sequential models) and of tabular ones (texts, categories, missing
values). A name outside makes the file refused; so does a call that no such export makes, because a
harmless name can do harm when it is called with another function. This finds careless files and
says what is wrong with them. It is no barrier to a careful one, for known functions can be
combined: what holds when a file is really loaded is the jail.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


class Named(Protocol):
    """A record, or the type of records of one global."""

    name: str


_BUILTINS = (
    "Ellipsis bool bytes bytearray complex dict float frozenset getattr int list long object print"
    " range reduce set slice str tuple type unicode"
)
_NAMES = """
    PIL.Image.Image PIL.Image.Resampling
    _abcoll.Callable _abcoll._CallableGenericAlias collections.abc.Callable
    collections.abc._CallableGenericAlias
    _codecs.encode _operator.getitem _operator.or_ operator.getitem operator.or_
    cloudpickle.cloudpickle._builtin_type cloudpickle.cloudpickle._function_setstate
    cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._make_cell
    cloudpickle.cloudpickle._make_empty_cell cloudpickle.cloudpickle.subimport
    collections.OrderedDict collections.defaultdict copy_reg._reconstructor copyreg._reconstructor
    fastai.data.core.DataLoaders fastai.data.core.Datasets fastai.data.core.FilteredBase
    fastai.data.core.TfmdDL fastai.data.core.TfmdLists
    fastai.data.load._FakeLoader fastai.data.load._wif fastai.data.load.DataLoader
    fastai.data.transforms.parent_label fastai.data.transforms.RegexLabeller
    fastai.imports.noop fastai.torch_core.trainable_params fastai.torch_core.params
    fastai.torch_core._fa_rebuild_tensor
    fastai.vision.core.load_image fastai.vision.learner.TimmBody
    fastai.vision.augment.dihedral_mat fastai.vision.augment.flip_mat
    fastai.vision.augment.rotate_mat fastai.vision.augment.zoom_mat
    fastai.metrics.accuracy fastai.metrics.error_rate fastai.metrics.top_k_accuracy
    fastai.metrics.accuracy_multi sklearn.metrics._classification.f1_score
    sklearn.metrics._classification.precision_score sklearn.metrics._classification.recall_score
    fastcore.basics._using_attr
    fastcore.basics.fastuple fastcore.basics.merge fastcore.basics.noop fastcore.foundation.L
    fastcore.imports.noop
    fasttransform.transform.Pipeline fasttransform.transform.Transform
    functools.partial functools.reduce
    fastai.tabular.core.Categorify fastai.tabular.core.FillMissing fastai.tabular.core.ReadTabBatch
    fastai.tabular.core.TabDataLoader fastai.tabular.core.TabWeightedDL
    fastai.tabular.core.TabularPandas fastai.tabular.data.TabularDataLoaders
    fastai.tabular.learner.TabularLearner fastai.tabular.model.TabularModel
    inspect.Parameter inspect.Signature inspect._ParameterKind inspect._empty
    numpy._core.multiarray.scalar numpy.core.multiarray.scalar
    numpy._core.multiarray._reconstruct numpy.core.multiarray._reconstruct
    numpy.dtype numpy.ndarray numpy.less numpy.greater
    pandas.DataFrame pandas.Series pandas.Index pandas.RangeIndex pandas.StringDtype
    pandas.CategoricalDtype pandas.Categorical
    pandas._libs.arrays.__pyx_unpickle_NDArrayBacked pandas._libs.internals._unpickle_block
    pandas.arrays.ArrowStringArray pandas.arrays.StringArray
    pandas.core.indexes.base._new_Index pandas.core.internals.managers.BlockManager
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePosixPath
    pathlib.PureWindowsPath pathlib._local.Path pathlib._local.PosixPath
    plum._function.Function plum._method.Method plum._method.MethodList plum._resolver.Resolver
    plum._signature.Signature plum._util.Missing
    pyarrow.lib._restore_array pyarrow.lib.py_buffer pyarrow.lib.type_for_alias
    random.Random re._compile
    torch.Tensor torch.Size torch.device torch._tensor._rebuild_from_type_v2
    torch._utils._rebuild_parameter torch._utils._rebuild_tensor_v2
    torch.nn.functional.relu torch.nn.parameter.Parameter
    torch.BFloat16Storage torch.BoolStorage torch.ByteStorage torch.CharStorage
    torch.DoubleStorage torch.FloatStorage torch.HalfStorage torch.IntStorage torch.LongStorage
    torch.ShortStorage
    typing.Any typing.Union typing.Optional typing.Callable
"""
_EXACT = frozenset(
    [f"{module}.{name}" for module in ("__builtin__", "builtins") for name in _BUILTINS.split()]
    + _NAMES.split()
)
# Classes only: a module also holds what it imports, functions above all.
_CLASSES = re.compile(
    r"(torch\.nn\.modules\.\w+|torchvision\.models\.\w+|torchvision\.ops\.(misc|stochastic_depth)"
    r"|timm\.(models|layers)\.\w+"
    r"|fastai\.(layers|losses|optimizer|learner|torch_core|metrics|data\.transforms)"
    r"|fastai\.vision\.(augment|core|data)"
    r"|fastai\.callback\.(core|data|fp16|hook|mixup|progress|schedule|tracker|training))"
    r"\._?[A-Z]\w*"
)
_ARCHITECTURE = re.compile(
    r"torchvision\.models\.\w+\.(wide_)?(resnet|resnext|vgg|alexnet|squeezenet|densenet|convnext"
    r"|efficientnet|googlenet|inception|maxvit|mnasnet|mobilenet|regnet|shufflenet|swin|vit)\w*"
    r"|fastai\.vision\.learner\.(_\w+|default)_split"
)
_IMPORTED = frozenset({"PIL", "PIL.Image", "io", "os", "os.path", "pathlib", "posixpath", "re"}) | {
    "numpy", "torch", "torch.nn", "torch.nn.functional",
}  # fmt: skip
_MADE_TYPES = frozenset({"CodeType", "MethodType", "GenericAlias", "CellType"})


def is_known(name: str) -> bool:
    """Whether exports that we can read refer to this global."""
    return bool(name in _EXACT or _CLASSES.fullmatch(name) or _ARCHITECTURE.fullmatch(name))


def is_usual_call(name: str, arguments: Sequence[Any]) -> bool:
    """Whether exports call this global with arguments like these."""
    if not arguments:
        return True
    rule = _CALLS.get(name.replace("__builtin__.", "builtins."))
    return rule is not None and rule(arguments)


def is_made_type(maker: Named, arguments: Sequence[Any]) -> bool:
    """Whether this is cloudpickle's way to name a type that has no global, such as CodeType."""
    return maker.name == "cloudpickle.cloudpickle._builtin_type" and is_usual_call(
        maker.name, arguments
    )


def _anything(_: Sequence[Any]) -> bool:
    return True


def _first_is(*names: str) -> Callable[[Sequence[Any]], bool]:
    return lambda arguments: getattr(arguments[0], "name", None) in names


def _public_attribute_of_fastai(arguments: Sequence[Any]) -> bool:
    owner, attribute = arguments[0], arguments[1]
    return (
        isinstance(owner, type)
        and str(getattr(owner, "name", "")).startswith("fastai.")
        and isinstance(attribute, str)
        and not attribute.startswith("_")
    )


def _plain_reconstruction(arguments: Sequence[Any]) -> bool:
    return getattr(arguments[1], "name", "") in {"__builtin__.object", "builtins.object"}


def _subscript_of_a_type(arguments: Sequence[Any]) -> bool:
    owner = arguments[0]
    return isinstance(owner, type) and str(getattr(owner, "name", "")).startswith(_GENERIC)


def _makes_empty_values(arguments: Sequence[Any]) -> bool:
    # A look-up in a defaultdict calls this.
    return len(arguments) == 1 and getattr(arguments[0], "name", None) in _CONTAINERS


_GENERIC = ("typing.", "collections.abc.", "_abcoll.")
_CONTAINERS = {
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("dict", "float", "int", "list", "long", "set", "str", "unicode")
}
_PURE = """
    PIL.Image.Resampling _abcoll._CallableGenericAlias collections.abc._CallableGenericAlias
    _codecs.encode builtins.set builtins.frozenset
    builtins.slice builtins.range builtins.complex builtins.bytearray builtins.bytes
    cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._function_setstate
    cloudpickle.cloudpickle._make_cell collections.OrderedDict
    fastcore.basics.fastuple functools.partial inspect.Parameter inspect.Signature
    inspect._ParameterKind numpy.dtype numpy._core.multiarray.scalar numpy.core.multiarray.scalar
    numpy._core.multiarray._reconstruct numpy.core.multiarray._reconstruct
    pandas.CategoricalDtype pandas.StringDtype pandas._libs.arrays.__pyx_unpickle_NDArrayBacked
    pandas._libs.internals._unpickle_block pandas.core.indexes.base._new_Index
    pandas.core.internals.managers.BlockManager
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePosixPath
    pathlib.PureWindowsPath pathlib._local.Path pathlib._local.PosixPath re._compile
    pyarrow.lib._restore_array pyarrow.lib.py_buffer pyarrow.lib.type_for_alias
    timm.layers.format.Format
    fastai.torch_core._fa_rebuild_tensor torch._utils._rebuild_parameter
    torch._utils._rebuild_tensor_v2 torch.Size torch.device
    """
_CALLS: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    **dict.fromkeys(_PURE.split(), _anything),
    **dict.fromkeys(("_operator.getitem", "operator.getitem"), _subscript_of_a_type),
    "collections.defaultdict": _makes_empty_values,
    "builtins.getattr": _public_attribute_of_fastai,
    "builtins.reduce": _first_is("_operator.or_", "operator.or_"),
    "functools.reduce": _first_is("_operator.or_", "operator.or_"),
    "builtins.type": lambda arguments: tuple(arguments) == (None,),
    "cloudpickle.cloudpickle._builtin_type": lambda arguments: arguments[0] in _MADE_TYPES,
    "cloudpickle.cloudpickle.subimport": lambda arguments: arguments[0] in _IMPORTED,
    "copyreg._reconstructor": _plain_reconstruction,
    "copy_reg._reconstructor": _plain_reconstruction,
    "torch._tensor._rebuild_from_type_v2": _first_is(
        "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
    ),
}
