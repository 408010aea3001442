"""What a model would say if its colours, scale or normalisation had been declared otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from registry.adapters.declared_input import END, as_taken
from registry.adapters.imaging import ImagePreprocessor
from registry.adapters.quiet import silence
from registry.documents.model_input import Layout, ModelInput, Order
from registry.domain.observations import ByteArray, IntArray
from registry.registration import LabelledImage

_BATCH = 32
# What torchvision's and timm's weights for ImageNet were trained with.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class OnnxAlternatives:
    """Implements registry.registration.Alternatives on the part of the graph that is the model."""

    def normalised(
        self, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> tuple[Sequence[float], Sequence[float]]:
        """Mean and standard deviation of each colour of the images, as the model takes them."""
        numbers = as_taken(_prepared(declared, images), declared)
        others = (0, 2, 3) if declared.layout is Layout.CHANNELS_FIRST else (0, 1, 2)
        return numbers.mean(axis=others).tolist(), numbers.std(axis=others).tolist()

    def labels(
        self, graph: bytes, declared: ModelInput, images: Sequence[LabelledImage]
    ) -> Mapping[str, IntArray]:
        """The labels as declared, then by each alternative, keyed by what to say."""
        prepared = _prepared(declared, images)
        session, name = _model(graph)

        def answers(one: ModelInput) -> IntArray:
            parts = [prepared[at : at + _BATCH] for at in range(0, len(prepared), _BATCH)]
            said = [session.run(None, {name: as_taken(part, one)})[0] for part in parts]
            return np.asarray(np.concatenate(said).argmax(axis=1))

        return {words: answers(one) for words, one in _declarations(declared)}


def _prepared(declared: ModelInput, images: Sequence[LabelledImage]) -> ByteArray:
    prepare = ImagePreprocessor(declared.preprocessing).prepare
    return np.stack([prepare(image.read()) for image in images])


def _declarations(declared: ModelInput) -> Iterator[tuple[str, ModelInput]]:
    """The declaration itself, then its alternatives and how each is written."""
    yield "what it says", declared
    colours = declared.mode == "RGB"
    orders = [declared.order, *(o for o in Order if colours and o is not declared.order)]
    scales = [declared.divide_by, *(d for d in (255.0, 1.0) if d != declared.divide_by)]
    norms = [(declared.mean, declared.deviation)]
    others = [((), ())] + ([(_MEAN, _DEVIATION)] if colours else [])
    norms += [one for one in others if one not in norms]
    for order in orders:
        for scale in scales:
            for mean, deviation in norms:
                change = {
                    "order": order,
                    "divide_by": scale,
                    "mean": mean,
                    "deviation": deviation,
                }
                one = declared.model_copy(update=change)
                if one != declared:
                    yield _spoken(declared, one), one


def _spoken(declared: ModelInput, one: ModelInput) -> str:
    said = [
        f"`{name}: {_value(getattr(one, name))}`"
        for name in ("order", "divide_by", "mean", "deviation")
        if getattr(one, name) != getattr(declared, name)
    ]
    return ", ".join(said)


def _value(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else f"{value}"


def _model(graph: bytes) -> tuple[Any, str]:
    """The part of the graph from the model's own input to its logits, ready to run."""
    silence()
    import onnx
    import onnxruntime

    served = onnx.load_model_from_string(graph)
    whole = served.graph
    at, end = next((i, node) for i, node in enumerate(whole.node) if node.name == END)
    name, make = str(end.output[0]), onnx.helper
    taken = make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", "a", "b", "c"])
    part = make.make_graph(
        whole.node[at + 1 :], "model", [taken], whole.output[:1], whole.initializer
    )
    model = make.make_model(part, opset_imports=served.opset_import, ir_version=served.ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session, name
