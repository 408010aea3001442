"""The formats that do not describe themselves, each as a float ONNX graph and as itself.

Runs only in jailed processes: TorchScript, torch.export and factories are code.
"""

import contextlib
import importlib
import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from registry.domain.errors import Invalid
from registry.domain.formats import Format
from registry.domain.observations import FloatArray

OPSET = 18
Scores = Callable[[FloatArray], FloatArray]
FACTORY = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Source:
    """A model as its maker left it: how it scores float images, and its graph."""

    scores: Scores
    graph: Callable[[], bytes]


def open_source(
    kind: Format, path: Path, factory: str | None, example: FloatArray, labels: int
) -> Source:
    """The model in a file; Invalid says what is wrong with it. example: two images, as it takes."""
    if kind is Format.ONNX:
        return _onnx(path, labels)
    with _quiet():
        if kind is Format.TORCHSCRIPT:
            return _torchscript(path, example)
        if kind is Format.EXPORTED:
            return _exported(path)
        if kind is Format.STATE_DICT and factory:
            return _state_dict(path, factory, example)
    raise Invalid(f"{path.name} cannot be opened as {kind}")


def check_behaviour(source: Source, example: FloatArray) -> None:
    """Invalid if an answer changes from call to call or with the rest of its batch."""
    draw = np.random.default_rng(0)
    images = draw.normal(size=(4, *example.shape[1:])).astype(np.float32)
    others = np.concatenate([images[:1], 3 * draw.normal(size=images[1:].shape)])
    first = source.scores(images)
    if not np.isfinite(first).all():
        raise Invalid("the model's scores are not numbers; is there a NaN among its weights?")
    if not np.allclose(first, source.scores(images), rtol=1e-4, atol=1e-5):
        raise Invalid(
            "the model answers the same images differently from one call to the next, as dropout in"
            " training mode does; call model.eval() before you export or trace it"
        )
    if not np.allclose(first[0], source.scores(others.astype(np.float32))[0], rtol=1e-3, atol=1e-4):
        raise Invalid(
            "the model's answer to one image changes with the other images of its batch, as batch"
            " normalisation in training mode does; call model.eval() before you export or trace it"
        )


def _onnx(path: Path, labels: int) -> Source:
    import onnxruntime

    from registry.adapters.onnx_wrap import load_foreign

    data = path.read_bytes()
    load_foreign(data)  # before a runtime sees it
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Invalid(f"ONNX Runtime cannot load the graph: {_first_line(error)}") from error
    taken = session.get_inputs()[0].name
    given = [out.name for out in session.get_outputs() if list(out.shape)[1:] == [labels]]

    def scores(images: FloatArray) -> FloatArray:
        return np.asarray(session.run(given[:1], {taken: images})[0])

    return Source(scores, lambda: data)


def _torchscript(path: Path, example: FloatArray) -> Source:
    import torch

    load = cast("Any", torch.jit.load)
    try:
        module = load(str(path), map_location="cpu")
    except RuntimeError as error:
        raise Invalid(f"TorchScript cannot be loaded: {_first_line(error)}") from error
    _check_modes(module)
    module.eval()
    return Source(_run(module), lambda: _trace_to_onnx(module, example))


def _check_modes(module: Any) -> None:
    """A trace keeps the mode in which it was made, whatever eval() says later."""
    graph = module.inlined_graph
    for operator, place in (("aten::batch_norm", 5), ("aten::dropout", 2)):
        flags = [list(n.inputs())[place].toIValue() for n in graph.findAllNodes(operator)]
        if any(flag is True for flag in flags):
            raise Invalid(
                f"the model was traced in training mode: {sum(map(bool, flags))} of {len(flags)}"
                f" {operator.removeprefix('aten::')} steps are for training; call model.eval()"
                " and trace it again"
            )


def _trace_to_onnx(module: Any, example: FloatArray) -> bytes:
    import torch

    target, export = io.BytesIO(), cast("Any", torch.onnx.export)
    with torch.no_grad():
        export(
            module,
            (torch.from_numpy(example),),
            target,
            dynamo=False,  # the new exporter takes no TorchScript
            input_names=["images"],
            output_names=["scores"],
            dynamic_axes={"images": {0: "n"}, "scores": {0: "n"}},
            opset_version=OPSET,
        )
    return target.getvalue()


def _exported(path: Path) -> Source:
    import torch

    from registry.adapters.exported_check import check_exported

    check_exported(path)
    try:
        program = torch.export.load(str(path))
    except Exception as error:
        raise Invalid(f"torch.export cannot load the program: {_first_line(error)}") from error
    sizes = _exported_input(program)
    if isinstance(sizes[0], int):
        raise Invalid(
            f"the program takes exactly {sizes[0]} images at a time: it was exported with a fixed"
            " batch. Export it again with an example of two images and dynamic_shapes"
        )
    if program.graph_signature.buffers_to_mutate:
        raise Invalid(
            "the program was exported in training mode: it changes its own statistics; call"
            " model.eval() and export it again"
        )
    return Source(_run(program.module()), lambda: _program_to_onnx(program))


def _exported_input(program: Any) -> tuple[Any, ...]:
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise Invalid(f"the program has {len(names)} inputs; one batch of images is expected")
    node = next(n for n in program.graph.nodes if n.op == "placeholder" and n.name == names[0])
    return tuple(node.meta["val"].shape)


def _program_to_onnx(program: Any) -> bytes:
    import torch

    made = torch.onnx.export(
        program, dynamo=True, opset_version=OPSET, external_data=False, verbose=False
    )
    data: bytes = made.model_proto.SerializeToString()  # type: ignore[union-attr]
    return data


def _state_dict(path: Path, factory: str, example: FloatArray) -> Source:
    import torch

    module = _made_by(factory, path.with_name("code.zip"))
    _fill(module, read_weights(path))
    module.eval()

    def graph() -> bytes:
        shapes = ({0: torch.export.Dim("n", min=1, max=4096)},)
        try:
            program = torch.export.export(
                module, (torch.from_numpy(example),), dynamic_shapes=shapes
            )
        except Exception as error:
            raise Invalid(
                f"{factory} makes a module that cannot be exported: {_first_line(error)}. A branch"
                " on the images themselves, or a fixed number of images, cannot be served"
            ) from error
        return _program_to_onnx(program)

    return Source(_run(module), graph)


def _made_by(factory: str, code: Path) -> Any:
    from torch import nn

    where, _, name = factory.partition(":")
    if code.exists():
        sys.path.insert(0, str(code))
    try:
        made = getattr(importlib.import_module(where), name)()
    except Exception as error:
        raise Invalid(
            f"the factory {factory} failed: {type(error).__name__}: {_first_line(error)}; it must"
            " make the module without arguments, from --code and what is installed here alone"
        ) from error
    if not isinstance(made, nn.Module):
        raise Invalid(f"the factory {factory} makes a {type(made).__name__}, not a torch module")
    return made


def read_weights(path: Path) -> Mapping[str, Any]:
    """The tensors of a state_dict by name; Invalid for a file with anything else in it."""
    import torch

    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        try:
            return dict(load_file(str(path)))
        except Exception as error:
            raise Invalid(f"the safetensors cannot be read: {_first_line(error)}") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Invalid(
            "the file is not a state_dict: it holds other objects than tensors, as a whole pickled"
            " module does. Save model.state_dict() instead of the model"
        ) from error
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else None
    if not inner or not all(isinstance(v, torch.Tensor) for v in inner.values()):
        raise Invalid("the file is not a state_dict: names and tensors; save model.state_dict()")
    return dict(inner)


def _fill(module: Any, weights: Mapping[str, Any]) -> None:
    own = module.state_dict()
    missing, foreign = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    if missing or foreign:
        raise Invalid(
            f"the weights do not fit the module: missing {_names(missing)}; unexpected"
            f" {_names(foreign)}. Is it the right factory?"
        )
    wrong = [n for n in own if own[n].shape != weights[n].shape]
    if wrong:
        name = wrong[0]
        raise Invalid(
            f"the weights do not fit the module: {name} has the shape {tuple(weights[name].shape)},"
            f" the module's {tuple(own[name].shape)} (and {len(wrong) - 1} more)"
        )
    broken = [n for n, w in weights.items() if w.is_floating_point() and w.isnan().any()]
    if broken:
        raise Invalid(f"the weights hold NaN in {_names(broken)}; train again, or save earlier")
    module.load_state_dict(weights, strict=True)


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "none"


def _run(module: Any) -> Scores:
    import torch

    def scores(images: FloatArray) -> FloatArray:
        try:
            with torch.no_grad(), _quiet():
                found = module(torch.from_numpy(np.ascontiguousarray(images)))
        except Exception as error:
            raise Invalid(
                f"the model refuses images of shape {images.shape}: {_first_line(error)}; does the"
                " preprocessing say the right size, mode and layout?"
            ) from error
        if not isinstance(found, torch.Tensor):
            raise Invalid(f"the model gives a {type(found).__name__}; a tensor of scores is needed")
        return np.asarray(found.float().numpy())

    return scores


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters announce their progress and deprecations; none of that is for our user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _first_line(error: BaseException) -> str:
    """What an error says in short; TorchScript says it last, after where it happened."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    from_script = lines[0].startswith("The following operation failed in the TorchScript")
    return lines[-1 if from_script else 0][:300]
