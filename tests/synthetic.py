"""A made-up world of images, classes and features, for tests of monitoring without a network."""

from dataclasses import dataclass, replace

import numpy as np

from registry.domain.observations import FeatureBlock, Observations

LABELS = ("cardboard", "glass", "metal", "paper")
BLOCKS = (FeatureBlock("stem", 16), FeatureBlock("middle", 32), FeatureBlock("last", 48))
WIDTH = sum(block.width for block in BLOCKS)


@dataclass(frozen=True)
class World:
    """Classes are Gaussian blobs in feature space, images are noise around a grey level."""

    means: np.ndarray
    mixing: np.ndarray
    side: int = 12

    def draw(
        self,
        rows: int,
        rng: np.random.Generator,
        *,
        shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25),
        darker: float = 0.0,
        noise: float = 0.0,
    ) -> Observations:
        """Inputs of the domain; `darker` grey levels and feature `noise` are shifts."""
        labels = rng.choice(len(LABELS), size=rows, p=shares)
        features = self.means[labels] + rng.normal(size=(rows, WIDTH)) @ self.mixing
        features += noise * rng.normal(size=features.shape)
        return self._observe(features, labels, 130.0 - darker, 30.0, rng)

    def draw_foreign(self, rows: int, rng: np.random.Generator) -> Observations:
        """Inputs from elsewhere: other features, other pixels, as digits are to photographs."""
        features = 2.0 * rng.normal(size=(rows, WIDTH)) + rng.normal(size=WIDTH)
        return self._observe(features, np.full(rows, -1), 40.0, 90.0, rng)

    def _observe(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        level: float,
        spread: float,
        rng: np.random.Generator,
    ) -> Observations:
        logits = 2.0 * features[:, -48:] @ self.means[:, -48:].T / 8.0
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        size = (len(features), 3, self.side, self.side)
        grey = level + rng.normal(0.0, 15.0, size=(len(features), 1, 1, 1))
        images = np.clip(grey + rng.normal(0.0, spread, size=size), 0, 255)
        return Observations(
            inputs=images.astype(np.uint8),
            logits=logits.astype(np.float32),
            probabilities=(odds / odds.sum(axis=1, keepdims=True)).astype(np.float32),
            features=features.astype(np.float32),
            labels=labels.astype(np.int64),
        )


def a_world(seed: int = 7) -> World:
    """Four classes, 96 correlated feature columns in three blocks."""
    rng = np.random.default_rng(seed)
    means = rng.normal(0.0, 0.7, size=(len(LABELS), WIDTH))
    mixing = rng.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH) + 0.3 * np.eye(WIDTH)
    return World(means, mixing)


def blurred(seen: Observations) -> Observations:
    """The same inputs with each pixel the mean of four, as the model sees them unchanged."""
    pixels = seen.inputs.astype(np.float64)
    below, right = np.roll(pixels, 1, -2), np.roll(pixels, 1, -1)
    mean = (pixels + below + right + np.roll(below, 1, -1)) / 4
    return replace(seen, inputs=mean.astype(np.uint8))
