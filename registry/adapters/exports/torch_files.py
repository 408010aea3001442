"""The graph as files of torch: TorchScript, and a program of torch.export.

Both are made by us of the graph alone, which is why they may be loaded again for the comparison.
Whoever gets them from somebody else should know that both formats can run code when loaded.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from registry.adapters.exports.torch_parts import module_of, require_packages, run_module
from registry.adapters.onnx_model import OnnxModel
from registry.domain.errors import Invalid
from registry.exporting import BATCHES, Content, Runs

SCRIPT, PROGRAM = "model.pt", "model.pt2"
MOST = 4096
_EXAMPLE = 2  # of one, torch would make a constant


class TorchScriptExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def require(self) -> None:
        """Torch and onnx."""
        require_packages("torch", "onnx")

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Trace the module; the graph has no branches that a trace could freeze."""
        import torch

        module, example = module_of(content.graph), example_of(content)
        trace: Any = torch.jit.trace
        made = quietly(lambda: trace(module, example, check_trace=False))
        quietly(lambda: made.save(str(folder / SCRIPT)))
        return {}

    def load(self, content: Content, folder: Path) -> Runs:
        """By torch.jit."""
        del content
        import torch

        load: Any = torch.jit.load
        return run_module(quietly(lambda: load(str(folder / SCRIPT), map_location="cpu")))


class ProgramExporter:
    """Implements registry.exporting.Exporter."""

    batches = BATCHES

    def require(self) -> None:
        """Torch and onnx."""
        require_packages("torch", "onnx")

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Export the module for any number of inputs."""
        import torch

        program = program_of(content, 1, MOST, _EXAMPLE)
        quietly(lambda: torch.export.save(program, folder / PROGRAM))
        return {"batches": f"1 to {MOST}"}

    def load(self, content: Content, folder: Path) -> Runs:
        """By torch.export."""
        del content
        import torch

        program = quietly(lambda: torch.export.load(folder / PROGRAM))
        return run_module(program.module())


def program_of(content: Content, least: int, most: int, example: int) -> Any:
    """The module as a program for `least` to `most` inputs at a time."""
    import torch

    module = module_of(content.graph)
    shapes = ({0: torch.export.Dim("n", min=least, max=most)},) if most > least else None
    return quietly(
        lambda: torch.export.export(module, (example_of(content, example),), dynamic_shapes=shapes)
    )


def example_of(content: Content, count: int = _EXAMPLE) -> Any:
    """So many inputs of zeros, as a tensor."""
    import torch

    return torch.from_numpy(OnnxModel(content.graph).example(count))


def quietly(step: Callable[[], Any]) -> Any:
    """Without the warnings of torch's exporters; Invalid with what stopped them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return step()
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise Invalid(
                f"torch cannot write this graph in that format ({said}); export it as onnx"
            ) from error
