"""The three networks that every server answers with; seeded, so that all hold the same weights."""

from typing import Any

LABELS = {"w1": 3, "w2": 10, "w3": 10}
SHAPES = {"w1": (20,), "w2": (1, 28, 28), "w3": (3, 224, 224)}
MEAN, DEVIATION = 0.45, 0.25


def make_net(workload: str) -> Any:
    """The network of a workload, in evaluation mode."""
    import torch

    torch.manual_seed(7)
    return {"w1": _mlp, "w2": _cnn, "w3": _resnet18}[workload]().eval()


def _mlp() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)
    )


def _cnn() -> Any:
    """About 100,000 parameters."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 60), nn.ReLU(), nn.Linear(60, 10),
    )  # fmt: skip


def _resnet18() -> Any:
    """He et al. 2016, with a head of ten classes; written out, since torchvision is no part."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
            self.short = nn.Sequential()
            if stride != 1 or before != after:
                self.short = nn.Sequential(
                    nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
                )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
            return torch.relu(inner + self.short(x))

    blocks = [
        Block(before, after, stride)
        for before, after, first in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        for before, stride in ((before, first), (after, 1))
    ]
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
