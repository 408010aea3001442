"""AOTInductor: the graph compiled to machine code, in packages by how many inputs come at once.

One package for all numbers cannot be had: torch 2.13 narrows the range that was asked for to what
suits the example's size, without a word. So there is one for 1, one for few and one for many, and
`model.py` in front of them, which chooses and checks.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from registry.adapters.exports import guarded_packages
from registry.adapters.exports.torch_files import example_of, program_of, quietly
from registry.adapters.exports.torch_parts import require_packages, run_module
from registry.domain.errors import Invalid
from registry.exporting import Content, Runs

GUARD = "model.py"
_SETTINGS = {"freezing": True}  # weights are constants: faster, and of no use to training


@dataclass(frozen=True, slots=True)
class _Bucket:
    """How many inputs a package takes, and how many its example has."""

    least: int
    most: int
    example: int

    @property
    def file(self) -> str:
        return f"batch-{self.least}-{self.most}.pt2"


BUCKETS = (_Bucket(1, 1, 1), _Bucket(2, 15, 2), _Bucket(16, 64, 32))


class AotInductorExporter:
    """Implements registry.exporting.Exporter."""

    batches = (1, 2, 8, 15, 16, 32, 64)

    def require(self) -> None:
        """Torch, onnx and a C++ compiler."""
        require_packages("torch", "onnx")
        if shutil.which("g++") is None:
            raise Invalid(
                "AOTInductor compiles, and there is no g++ here; install it (Debian: g++)"
            )

    def write(self, content: Content, folder: Path) -> Mapping[str, Any]:
        """Compile one package after the other: a quarter of a minute each, or more."""
        from torch._inductor import aoti_compile_and_package
        from torch._inductor.utils import fresh_cache

        def compiled(bucket: _Bucket) -> None:
            program = program_of(content, bucket.least, bucket.most, bucket.example)
            path = str(folder / bucket.file)
            aoti_compile_and_package(program, package_path=path, inductor_configs=_SETTINGS)

        with fresh_cache():  # what compiling leaves behind is thrown away
            for bucket in BUCKETS:
                quietly(partial(compiled, bucket))
        (folder / guarded_packages.PACKAGES).write_text(json.dumps(_said(content), indent=2) + "\n")
        shutil.copyfile(guarded_packages.__file__, folder / GUARD)
        return {"batches": ", ".join(f"{b.least} to {b.most}" for b in BUCKETS)}

    def load(self, content: Content, folder: Path) -> Runs:
        """By torch, behind the guard."""
        del content
        return run_module(quietly(lambda: guarded_packages.load(folder)))


def _said(content: Content) -> Mapping[str, Any]:
    example = example_of(content)
    return {
        "shape": list(example.shape[1:]),
        "dtype": str(example.dtype).removeprefix("torch."),
        "packages": [{"file": b.file, "least": b.least, "most": b.most} for b in BUCKETS],
    }
