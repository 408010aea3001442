"""ONNX: the graph of the bundle, byte for byte as it serves."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.adapters.exports.runs import run_onnx
from registry.exporting import BATCHES, Content, Runs

GRAPH = "model.onnx"


class OnnxExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def require(self) -> None:
        """Nothing."""

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Copy the graph."""
        shutil.copyfile(content.graph, folder / GRAPH)
        return {}

    def load(self, content: Content, folder: Path) -> Runs:
        """By ONNX Runtime."""
        del content
        return run_onnx(folder / GRAPH)
