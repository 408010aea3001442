"""Model files of every format that does not describe itself, made by real torch.

`python model_world.py OUT` writes them: one small network that says which of three colours an
image has most of, in the layout that its makers would save it in, and the ways to save it wrong.
"""

import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np

COLOURS = ("red", "green", "blue")
SIDE = 16
CODE = """
from torch import nn
import torch


class Colours(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3, 3)

    def forward(self, images):
        return self.scores(images)

    def scores(self, images):
        maps = torch.relu(self.norm(self.stem(images)))
        return self.head(self.drop(maps.mean((2, 3))))


class Branching(Colours):
    def forward(self, images):
        if images.mean() > 0:
            return self.scores(images)
        return -self.scores(images)


class Picky(Colours):
    def forward(self, images):
        if images[0].mean() > 100:
            return -self.scores(images)
        return self.scores(images)


def make():
    return Colours()


def picky():
    return Picky()


def branching():
    return Branching()


def nothing():
    return "no module"
"""
DECLARED = f"""
steps: [{{op: resize, width: {SIDE}, height: {SIDE}}}]
mean: [0.4, 0.4, 0.4]
deviation: [0.2, 0.2, 0.2]
"""


def main(out: Path) -> None:
    code = out / "code" / "nets"
    code.mkdir(parents=True)
    (code / "__init__.py").write_text("")
    (code / "colours.py").write_text(textwrap.dedent(CODE))
    (out / "input.yaml").write_text(DECLARED)
    (out / "labels.txt").write_text("\n".join(COLOURS))
    _photographs(out)
    sys.path.insert(0, str(out / "code"))
    warnings.simplefilter("ignore")
    import registry  # noqa: F401 - the factories may import torchvision

    _files(out)


def _photographs(out: Path) -> None:
    from PIL import Image

    draw = np.random.default_rng(5)
    for part in ("training", "calibration"):
        for number, colour in enumerate(COLOURS):
            folder = out / part / colour
            folder.mkdir(parents=True)
            for i in range(8):
                pixels = np.clip(draw.normal(60, 15, (24, 20, 3)), 0, 255)
                pixels[..., number] = np.clip(pixels[..., number] + 120, 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")


def _files(out: Path) -> None:
    import torch
    from nets.colours import Branching, Colours
    from safetensors.torch import save_file

    def filled(kind: type[Colours] = Colours):
        torch.manual_seed(3)
        model = kind()
        with torch.no_grad():
            model.stem.weight.copy_(torch.eye(3)[..., None, None])
            model.stem.bias.fill_(1.0)
            model.norm.running_mean.fill_(0.5)
            model.head.weight.copy_(torch.eye(3) * 2)
        return model

    model, two = filled().eval(), torch.zeros(2, 3, SIDE, SIDE)
    mute, narrow = _odd_modules()
    state, any_size = model.state_dict(), ({0: torch.export.Dim("n", min=1, max=64)},)
    torch.save(state, out / "weights.pt")
    torch.save(model, out / "whole.pt")
    save_file({k: v.contiguous() for k, v in state.items()}, out / "weights.safetensors")
    torch.save({k: v for k, v in state.items() if k != "head.bias"}, out / "short.pt")
    torch.save({**state, "head.bias": state["head.bias"] * float("nan")}, out / "nan.pt")
    torch.jit.save(torch.jit.trace(model, two), out / "traced.pt")
    torch.jit.save(torch.jit.script(filled(Branching).eval()), out / "branching.pt")
    torch.jit.save(torch.jit.script(filled().eval()), out / "scripted.pt")
    torch.jit.save(torch.jit.trace(mute(), two), out / "mute.pt")
    torch.jit.save(torch.jit.script(_writer(str(out / "written"))), out / "writes.pt")
    torch.jit.save(torch.jit.trace(narrow(), two), out / "narrow.pt")
    torch.jit.save(torch.jit.trace(filled().train(), two, check_trace=False), out / "training.pt")
    torch.export.save(
        torch.export.export(model, (two,), dynamic_shapes=any_size), out / "exported.pt2"
    )
    torch.export.save(torch.export.export(model, (two[:1],)), out / "one.pt2")
    torch.export.save(
        torch.export.export(filled().train(), (two,), dynamic_shapes=any_size),
        out / "training.pt2",
    )
    _onnx(out, model, two)


def _writer(place: str) -> object:
    """A script that makes a file whenever it is asked: one operator of PyTorch's own does that."""
    import torch

    class Writer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = place

        def forward(self, images: torch.Tensor):
            return images.mean((2, 3)) + torch.from_file(self.place, True, 3)

    return Writer()


def _odd_modules() -> tuple[type, type]:
    """One that gives several tensors, and one that takes images of one size alone."""
    import torch

    class Mute(torch.nn.Module):
        def forward(self, images: torch.Tensor):
            return images.mean((2, 3)), images

    class Narrow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3 * SIDE * SIDE, 3)

        def forward(self, images: torch.Tensor):
            return self.head(images.reshape(2, -1))  # the batch of the example, for ever

    return Mute, Narrow


def _onnx(out: Path, model: object, two: object) -> None:
    import torch

    dynamic = {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
    for name, module, axes in (
        ("graph", model, dynamic),
        ("fixed", model, {}),
        ("final", torch.nn.Sequential(model, torch.nn.Softmax(1)), dynamic),
        ("last", _channels_last(model), dynamic),
    ):
        example = two.permute(0, 2, 3, 1) if name == "last" else two
        torch.onnx.export(
            module, (example,), str(out / f"{name}.onnx"), dynamo=False,
            input_names=["x"], output_names=["y"], opset_version=17, **axes,
        )  # fmt: skip


def _channels_last(model: object) -> object:
    import torch

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, images: torch.Tensor):
            return self.inner(images.permute(0, 3, 1, 2))

    return Last()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
