"""A small network trained on Fashion-MNIST in a minute, and what it sees: data for the benches."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from registry.domain.observations import FeatureBlock, Observations

LABELS = (
    "top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)
WIDTHS = (32, 64, 96, 128)
BLOCKS = tuple(FeatureBlock(f"block {i}", width) for i, width in enumerate(WIDTHS))


@dataclass(frozen=True)
class Fashion:
    """The network, and uint8 images (n, 1, 28, 28) with labels: seen, held out, live, digits."""

    network: nn.Module
    training: tuple[np.ndarray, np.ndarray]
    calibration: tuple[np.ndarray, np.ndarray]
    live: tuple[np.ndarray, np.ndarray]
    digits: np.ndarray

    def observe(self, images: np.ndarray, labels: np.ndarray | None = None) -> Observations:
        logits, features = [], []
        with torch.inference_mode():
            for start in range(0, len(images), 500):
                batch = torch.from_numpy(images[start : start + 500])
                answer, means = self.network(batch)
                logits.append(answer)
                features.append(means)
        answers = torch.cat(logits)
        return Observations(
            inputs=images,
            logits=answers.numpy(),
            probabilities=answers.softmax(1).numpy(),
            features=torch.cat(features).numpy(),
            labels=np.full(len(images), -1) if labels is None else labels.astype(np.int64),
        )


class Network(nn.Module):
    """Four convolutional blocks; gives logits and the channel means of each block."""

    def __init__(self) -> None:
        super().__init__()
        blocks, before = [], 1
        for i, width in enumerate(WIDTHS):
            layers = [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2) if i < 3 else nn.Identity()))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(before, len(LABELS))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x, means = images.float() / 255.0 - 0.286, []
        for block in self.blocks:
            x = block(x)
            means.append(x.mean((2, 3)))
        return self.head(means[-1]), torch.cat(means, 1)


def load(folder: Path, seed: int, epochs: int) -> Fashion:
    """Train on 12,000 images; 2,000 that it has not seen are for calibration."""
    with np.load(folder / "fashion_mnist_20k_10k.npz") as file:
        images, labels = file["x_train"][:, None], file["y_train"]
        live = file["x_test"][:, None], file["y_test"]
    with np.load(folder / "mnist_test_10k.npz") as file:
        digits = file["x"][:, None]
    training = images[:12_000], labels[:12_000]
    calibration = images[18_000:], labels[18_000:]
    network = _train(*training, seed, epochs)
    return Fashion(network, training, calibration, live, digits)


def _train(images: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> nn.Module:
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    network = Network()
    steps = epochs * (len(images) // 128)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, steps)
    x, y = torch.from_numpy(images), torch.from_numpy(labels).long()
    network.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for start in range(0, len(x) - 127, 128):
            batch = order[start : start + 128]
            loss = nn.functional.cross_entropy(network(x[batch])[0], y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return network.eval()
