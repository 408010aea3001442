"""A model repository for NVIDIA Triton: the ONNX graph, its labels and its configuration."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.adapters.exports.onnx_files import GRAPH
from registry.adapters.exports.runs import run_onnx
from registry.adapters.onnx_model import INPUT, OUTPUTS
from registry.exporting import BATCHES, Content, Runs

CONFIG, LABELS = "config.pbtxt", "labels.txt"
MOST, PREFERRED, DELAY_MICROSECONDS = 32, (8, 16, 32), 2000
_IMAGE_RANK = 3


class TritonExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def require(self) -> None:
        """Nothing: Triton itself is needed only to serve it."""

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """`NAME/config.pbtxt`, `NAME/labels.txt` and `NAME/VERSION/model.onnx`."""
        home = folder / name_of(content.model)
        (home / str(content.version)).mkdir(parents=True)
        shutil.copyfile(content.graph, _graph(content, folder))
        (home / LABELS).write_text("\n".join(content.labels) + "\n")
        (home / CONFIG).write_text(config(content))
        return {"repository": name_of(content.model), "max_batch_size": MOST}

    def load(self, content: Content, folder: Path) -> Runs:
        """By ONNX Runtime, which is what runs it in Triton."""
        return run_onnx(_graph(content, folder))


def name_of(model: str) -> str:
    """The model's name as one of a folder and a URL."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", model).lstrip(".") or "model"


def config(content: Content) -> str:
    """The configuration, in protobuf's text format; batches are made as requests come."""
    shape = content.preprocessing.shape
    kind = "TYPE_UINT8" if len(shape) == _IMAGE_RANK else "TYPE_FP32"
    widths = (len(content.labels), len(content.labels), content.features)
    outputs = [
        _value(name, "TYPE_FP32", (width,), LABELS if name == "probabilities" else "")
        for name, width in zip(OUTPUTS, widths, strict=True)
    ]
    return f"""\
name: "{name_of(content.model)}"
backend: "onnxruntime"
max_batch_size: {MOST}
input [
{_value(INPUT, kind, shape)}
]
output [
{_joined(outputs)}
]
version_policy: {{ specific: {{ versions: [ {content.version} ] }} }}
dynamic_batching {{
  preferred_batch_size: [ {", ".join(map(str, PREFERRED))} ]
  max_queue_delay_microseconds: {DELAY_MICROSECONDS}
}}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
"""


def _value(name: str, kind: str, dims: Sequence[int], labels: str = "") -> str:
    named = f', label_filename: "{labels}"' if labels else ""
    return (
        f'  {{ name: "{name}", data_type: {kind}, dims: [ {", ".join(map(str, dims))} ]{named} }}'
    )


def _joined(values: Sequence[str]) -> str:
    return ",\n".join(values)


def _graph(content: Content, folder: Path) -> Path:
    return folder / name_of(content.model) / str(content.version) / GRAPH
