"""How often clean streams of Fashion-MNIST alarm, and how soon shifted ones do.

    python -m bench.online_drift FOLDER [--seed 0] [--epochs 4] [--streams 50]

FOLDER holds fashion_mnist_20k_10k.npz and mnist_test_10k.npz. Streams are 3,000 inputs, the shift
comes after 1,000, and the detector is looked at after every input.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench.fashion import BLOCKS, LABELS, Fashion, load
from monitoring.domain import profile as profiles
from monitoring.domain import scorer_file
from monitoring.domain.detector import USUAL_BETS, Detector, Signal, places_of, signals_of
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import values_of
from registry.domain.observations import Observations

LENGTH, BEFORE = 3000, 1000
Draw = Callable[[int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class World:
    """The places of known inputs, (n, signals), to draw streams from."""

    signals: tuple[Signal, ...]
    usual: np.ndarray
    foreign: np.ndarray
    noisy: np.ndarray
    darker: np.ndarray
    bags: np.ndarray

    def label_shift(self, n: int, rng: np.random.Generator) -> np.ndarray:
        more = rng.random(n) < 1 / 6  # 10 % bags become 25 %
        rows = rng.integers(0, len(self.usual), n)
        return self.usual[np.where(more, rng.choice(self.bags, n), rows)]

    def contaminated(self, share: float) -> Draw:
        def draw(n: int, rng: np.random.Generator) -> np.ndarray:
            mixed, where = some(self.usual)(n, rng), rng.random(n) < share
            mixed[where] = some(self.foreign)(int(where.sum()), rng)
            return mixed

        return draw


def some(places: np.ndarray) -> Draw:
    return lambda n, rng: places[rng.choice(len(places), n, replace=False)]


def prepared(fashion: Fashion, seed: int) -> World:
    training, held_out = (fashion.observe(*d) for d in (fashion.training, fashion.calibration))
    files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [training], [held_out])
    profile = profiles.from_json(files["profile.json"])
    scorer = scorer_file.from_bytes(files["scorer.npz"])
    signals = signals_of(profile)

    def placed(seen: Observations) -> np.ndarray:
        values = values_of(profile, seen, scorer.score(seen))
        places = places_of(profile, signals, values, seen.probabilities.argmax(axis=1))
        if places is None:
            raise SystemExit("the scorer does not give every signal")
        return places

    images = fashion.live[0].astype(np.float64)
    noise = np.random.default_rng(seed).normal(0, 25.5, images.shape)
    live = fashion.observe(*fashion.live)
    return World(
        signals,
        placed(live),
        placed(fashion.observe(fashion.digits)),
        placed(fashion.observe(np.clip(images + noise, 0, 255).astype(np.uint8))),
        placed(fashion.observe((images * 0.8).astype(np.uint8))),
        np.flatnonzero(live.labels == LABELS.index("bag")),
    )


def first_alarm(detector: Detector, places: np.ndarray, rng: np.random.Generator) -> float:
    ties = rng.random(places.shape)
    for i in range(len(places)):
        detector.see(places[i : i + 1], ties[i : i + 1])
        if detector.report() >= USUAL_BETS.run_length:
            return i + 1
    return np.inf


def delay(world: World, draw: Draw, rng: np.random.Generator) -> float | None:
    """None for a stream that alarmed before the shift: that says nothing of the delay."""
    detector = Detector(world.signals)
    if np.isfinite(first_alarm(detector, some(world.usual)(BEFORE, rng), rng)):
        return None
    return first_alarm(detector, draw(LENGTH - BEFORE, rng), rng)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--streams", type=int, default=50)
    given = arguments.parse_args()
    world = prepared(load(given.folder, given.seed, given.epochs), given.seed)
    streams = [np.random.default_rng([given.seed, i]) for i in range(given.streams)]
    usual = some(world.usual)
    clean = [first_alarm(Detector(world.signals), usual(LENGTH, r), r) for r in streams]
    print(f"clean: {np.isfinite(clean).sum()} of {given.streams} streams of {LENGTH} alarm")
    shifts = {
        "noise (sd .1)": some(world.noisy),
        "darker by 20 %": some(world.darker),
        "10 % digits": world.contaminated(0.1),
        "2 % digits": world.contaminated(0.02),
        "label (bags 10 to 25 %)": world.label_shift,
    }
    for name, draw in shifts.items():
        found = [d for r in streams if (d := delay(world, draw, r)) is not None]
        missed = int(np.isinf(found).sum())
        print(f"{name}: median {np.median(found):g} inputs, {missed} of {len(found)} not found")


if __name__ == "__main__":
    main()
