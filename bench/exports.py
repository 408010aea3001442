"""How fast a version answers beside the model that it was made from.

    python -m bench.exports FOLDER [--size 64 --size 224] [--epochs 3] [--rounds 40]

FOLDER holds `trashnet_photos_96.zip`. A ResNet-18 learner is trained for a moment, exported by
`Learner.export()` and converted as registration does. Then fastai's own model in PyTorch eager,
with normalisation and softmax as fastai does them, stands beside what serves and beside static
INT8, calibrated by photographs: one thread, the same inputs, one call after the other in every
round, so that a busy machine meets all alike. Ratios are of medians.
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from bench import parity
from registry.domain.observations import InputArray
from registry.exporting import Content, Runs
from registry.services.stopwatch import interleaved

BATCHES = (1, 32)
CALIBRATING, JUDGED = 96, 1000


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds by model for one batch; bytes by model."""

    size: int
    batch: int
    milliseconds: Mapping[str, float]

    def row(self) -> str:
        """As it stands in the documentation."""
        eager = self.milliseconds["eager"]
        ratios = " | ".join(
            f"{ms:.2f} ms, {eager / ms:.1f} x"
            for name, ms in self.milliseconds.items()
            if name != "eager"
        )
        return f"| {self.size} x {self.size} | {self.batch} | {eager:.1f} ms | {ratios} |"


def recipe(size: int) -> parity.Recipe:
    """A ResNet-18 as most people train it."""
    return parity.of_photographs(
        f"resnet18 {size}", "resnet18", lambda fv: fv.Resize(size),
        lambda fv: [fv.Normalize.from_stats(*fv.imagenet_stats)],
    )  # fmt: skip


def measure(size: int, data: parity.Data, scratch: Path, asked: argparse.Namespace) -> None:
    """Train, convert, quantise, time and judge one size of images."""
    from registry.adapters.exports.onnx_int8 import OnnxInt8Exporter
    from registry.adapters.exports.runs import prepared, run_onnx

    learner, document, graph = _learned(size, data, scratch, asked.epochs)
    photographs = [path.read_bytes() for path in data.training[:CALIBRATING]]
    content = Content(
        "waste", 1, tuple(learner.dls.vocab), graph, document, 0,
        calibration=prepared(document, photographs),
    )  # fmt: skip
    exporter = OnnxInt8Exporter(dynamic=False)
    folder = scratch / f"int8-{size}"
    folder.mkdir()
    exporter.write(content, folder)
    models = {
        "eager": _eager(learner), "served": run_onnx(graph), "int8": exporter.load(content, folder)
    }  # fmt: skip
    draw = np.random.default_rng(1)
    for batch in BATCHES:
        inputs = draw.integers(0, 256, (batch, 3, size, size)).astype(np.uint8)
        taken = interleaved(models, inputs, perf_counter, float("inf"), asked.rounds)
        print(Measured(size, batch, taken).row(), flush=True)
    _judge(size, models, prepared(document, [p.read_bytes() for p in data.asked]), data, learner)


def _learned(size: int, data: parity.Data, scratch: Path, epochs: int) -> tuple[Any, Any, Path]:
    import torch

    torch.set_num_threads(2)
    made = recipe(size)
    learner = made.make(parity.library_of(made), data)
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs, 3e-3)
    export = scratch / f"export-{size}.pkl"
    learner.export(export)
    folder = scratch / f"graph-{size}"
    folder.mkdir()
    document, graph = parity.converted(export, folder)
    torch.set_num_threads(1)
    return learner, document, graph


def _eager(learner: Any) -> Runs:
    import torch

    model = learner.model.eval().cpu()
    normalize = next(t for t in learner.dls.after_batch.fs if type(t).__name__ == "Normalize")
    mean, deviation = normalize.mean.cpu(), normalize.std.cpu()

    def run(inputs: InputArray) -> Any:
        with torch.inference_mode():
            images = torch.from_numpy(inputs).float().div_(255)
            logits = model((images - mean) / deviation)
            return [logits.numpy(), torch.softmax(logits, 1).numpy()]

    return run


def _judge(
    size: int, models: Mapping[str, Runs], inputs: InputArray, data: parity.Data, learner: Any
) -> None:
    truth = np.array([list(learner.dls.vocab).index(p.parent.name) for p in data.asked])
    found = {}
    for name, run in models.items():
        parts = [np.asarray(run(inputs[at : at + 32])[0]) for at in range(0, len(inputs), 32)]
        found[name] = np.concatenate(parts)
    apart = float(np.abs(found["served"] - found["eager"]).max())
    classes = {name: logits.argmax(1) for name, logits in found.items()}
    print(
        f"{len(truth)} photographs of {size} x {size}: served differs from eager by {apart:.1e} in"
        f" its logits; right: eager {(classes['eager'] == truth).mean():.1%}, served"
        f" {(classes['served'] == truth).mean():.1%}, int8 {(classes['int8'] == truth).mean():.1%};"
        f" int8 keeps the class of {(classes['int8'] == classes['served']).mean():.1%}",
        flush=True,
    )


def main() -> int:
    """Measure the sizes that were asked for."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--size", type=int, action="append")
    arguments.add_argument("--epochs", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=40)
    asked = arguments.parse_args()
    warnings.simplefilter("ignore")
    print("| Image | Batch | eager | served | static INT8 |\n|-|-|-|-|-|")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        data = parity.photographs(asked.folder, scratch / "photographs", JUDGED)
        for size in asked.size or (64, 224):
            measure(size, data, scratch, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
