"""The torch module that becomes the ONNX graph: inputs in; logits, probabilities, features out."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch  # noqa: TID253 - only the jailed converter imports this module
from torch import nn  # noqa: TID253
from torch.nn import functional as F  # noqa: N812, TID253 - as everybody calls it

from registry.adapters.fastai_batch import Resampling
from registry.domain.errors import Invalid
from registry.domain.observations import FeatureBlock

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "softmax": lambda logits: torch.softmax(logits, dim=-1),
    "sigmoid": torch.sigmoid,
}
Outputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Resampler(nn.Module):
    """fastai's grid_sample of one batch transform, for one fixed size of image."""

    grid: torch.Tensor

    def __init__(self, plan: Resampling, height: int, width: int) -> None:
        super().__init__()
        self.plan = plan
        if plan.crop is not None:
            height, width = plan.crop[2:]
        self.size = plan.size or (height, width)
        identity = torch.eye(3)[None, :2]
        grid = F.affine_grid(identity, [1, 1, *self.size], align_corners=plan.align_corners)
        self.register_buffer("grid", grid)
        self.shrink = self._shrink(height, width)

    def _shrink(self, height: int, width: int) -> float | None:
        """fastai averages first where bilinear sampling would skip pixels."""
        zoom = 1 / float(self.grid.max() - self.grid.min()) * 2
        ratio = min(height / self.size[0], width / self.size[1]) / 2
        wanted = self.plan.mode == "bilinear" and ratio > 1 and ratio > zoom
        return 1 / ratio if wanted else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The resampled images."""
        if self.plan.crop is not None:
            top, left, height, width = self.plan.crop
            images = images[..., top : top + height, left : left + width]
        if self.shrink is not None:
            images = F.interpolate(
                images, scale_factor=self.shrink, mode="area", recompute_scale_factor=True
            )
        grid = self.grid.expand(images.shape[0], -1, -1, -1)
        return F.grid_sample(
            images,
            grid,
            mode=self.plan.mode,
            padding_mode=self.plan.pad_mode,
            align_corners=self.plan.align_corners,
        )


class Pixels(nn.Module):
    """fastai's batch transforms of one shape of image: from uint8 to what the model takes."""

    def __init__(
        self,
        shape: Sequence[int],
        divide_by: float = 255.0,
        resamplings: Sequence[Resampling] = (),
        normalize: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.divide_by = divide_by
        self.resamplers = nn.Sequential(*_resamplers(resamplings, shape))
        self.normalizes = normalize is not None
        if normalize is not None:
            self.register_buffer("mean", normalize[0])
            self.register_buffer("deviation", normalize[1])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float pixels of uint8 images (n, channels, height, width)."""
        pixels: torch.Tensor = self.resamplers(images.float() / self.divide_by)
        if self.normalizes:
            pixels = (pixels - self.get_buffer("mean")) / self.get_buffer("deviation")
        return pixels


class ByColumns(nn.Module):
    """A fastai TabularModel that takes one matrix: the codes of categories, then the numbers."""

    def __init__(self, model: nn.Module, codes: int) -> None:
        super().__init__()
        self.model = model
        self.codes = codes

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Logits of prepared rows (n, columns)."""
        logits: torch.Tensor = self.model(rows[:, : self.codes].long(), rows[:, self.codes :])
        return logits


class Servable(nn.Module):
    """Batch transforms, model and activation in one, with features tapped on the way.

    Features are the channel means of the last layer at each resolution, then the input of the last
    linear layer (the penultimate layer), found by one trial run on the example: two inputs.
    """

    def __init__(
        self, before: nn.Module, model: nn.Module, example: torch.Tensor, activation: str
    ) -> None:
        super().__init__()
        self.before = before.eval()
        self.model = model.eval()
        self.example = example
        self.activation = _ACTIVATIONS[activation]
        self.taps = _Taps(model, before(example))

    @property
    def blocks(self) -> tuple[FeatureBlock, ...]:
        """The columns of the features."""
        return self.taps.blocks

    def forward(self, inputs: torch.Tensor) -> Outputs:
        """Logits, probabilities and features of prepared inputs."""
        logits, features = self.taps.run(self.model, self.before(inputs))
        return logits, self.activation(logits), features


def image_servable(
    model: nn.Module,
    shape: Sequence[int],
    divide_by: float = 255.0,
    resamplings: Sequence[Resampling] = (),
    normalize: tuple[torch.Tensor, torch.Tensor] | None = None,
    activation: str = "softmax",
) -> Servable:
    """A model of images of this shape (channels, height, width), with its batch transforms."""
    before = Pixels(shape, divide_by, resamplings, normalize)
    return Servable(before, model, torch.zeros(2, *shape, dtype=torch.uint8), activation)


def table_servable(model: nn.Module, codes: int, numbers: int, activation: str) -> Servable:
    """A model of rows with so many codes before so many numbers."""
    example = torch.zeros(2, codes + numbers)
    return Servable(nn.Identity(), ByColumns(model, codes), example, activation)


def _resamplers(plans: Sequence[Resampling], shape: Sequence[int]) -> Iterator[Resampler]:
    height, width = shape[1:]
    for plan in plans:
        resampler = Resampler(plan, height, width)
        height, width = resampler.size
        yield resampler


class _Taps:
    """Which layers of a model give features, and running it with hooks on them."""

    def __init__(self, model: nn.Module, example: torch.Tensor) -> None:
        outputs: dict[nn.Module, torch.Tensor] = {}
        inputs: dict[nn.Module, torch.Tensor] = {}
        stages = list(_stages(model))
        linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
        with torch.no_grad():
            _run(model, example, stages, outputs, linear, inputs)
        if not inputs:
            raise Invalid("the model has no linear layer, so it has no penultimate layer to watch")
        last_at = {tuple(o.shape[2:]): m for m, o in outputs.items() if _is_map(o)}
        self.layers = list(last_at.values())
        self.linear = list(inputs)[-1]
        widths = [outputs[layer].shape[1] for layer in self.layers]
        self.blocks = (
            *(FeatureBlock(f"block-{i}", width) for i, width in enumerate(widths, 1)),
            FeatureBlock("penultimate", inputs[self.linear].shape[-1]),
        )

    def run(self, model: nn.Module, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and features."""
        outputs: dict[nn.Module, torch.Tensor] = {}
        inputs: dict[nn.Module, torch.Tensor] = {}
        logits = _run(model, pixels, self.layers, outputs, [self.linear], inputs)
        means = [outputs[layer].mean(dim=(2, 3)) for layer in self.layers]
        return logits, torch.cat([*means, inputs[self.linear]], dim=1)


def _stages(module: nn.Module) -> Iterator[nn.Module]:
    """The layers that a plain Sequential runs one after the other, and a model's own children."""
    for child in module.children():
        if type(child) is nn.Sequential:
            yield from _stages(child)
        else:
            yield child


def _is_map(output: object) -> bool:
    return isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1


def _run(
    model: nn.Module,
    pixels: torch.Tensor,
    layers: Sequence[nn.Module],
    outputs: dict[nn.Module, torch.Tensor],
    linear: Sequence[nn.Module],
    inputs: dict[nn.Module, torch.Tensor],
) -> torch.Tensor:
    """The model's logits; what the layers gave and the linear layers took is noted in passing."""

    # The layer is bound beforehand: while torch.export traces, hooks are given a stand-in for it.
    def note_output(layer: nn.Module, _: object, __: object, output: torch.Tensor) -> None:
        # a later layer may work in place
        outputs[layer] = output.clone() if isinstance(output, torch.Tensor) else output

    def note_input(layer: nn.Module, _: object, taken: tuple[torch.Tensor, ...]) -> None:
        inputs[layer] = taken[0]

    hooks = [layer.register_forward_hook(partial(note_output, layer)) for layer in layers]
    hooks += [layer.register_forward_pre_hook(partial(note_input, layer)) for layer in linear]
    try:
        logits: torch.Tensor = model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return logits
