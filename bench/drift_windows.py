"""How often windows of Fashion-MNIST alarm, with and without a shift.

    python -m bench.drift_windows FOLDER [--seed 0] [--epochs 4] [--trials 100] [--level 0.05]

FOLDER holds fashion_mnist_20k_10k.npz and mnist_test_10k.npz.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench.fashion import BLOCKS, LABELS, load
from monitoring.domain import profile as profiles
from monitoring.domain import scorer_file
from monitoring.domain.drift_tests import Thresholds, compare
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import inputs_of
from registry.domain.observations import Observations

SIZES = (100, 200, 500, 1000)
Draw = Callable[[int, np.random.Generator], Observations]


def take(seen: Observations, rows: np.ndarray) -> Observations:
    return Observations(*(getattr(seen, f)[rows] for f in Observations.__slots__))


def joined(one: Observations, other: Observations) -> Observations:
    return Observations(
        *(np.concatenate([getattr(one, f), getattr(other, f)]) for f in Observations.__slots__)
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--trials", type=int, default=100)
    arguments.add_argument("--level", type=float, default=0.05)
    given = arguments.parse_args()
    fashion = load(given.folder, given.seed, given.epochs)
    training, held_out = (fashion.observe(*d) for d in (fashion.training, fashion.calibration))
    files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [training], [held_out])
    profile = profiles.from_json(files["profile.json"])
    scorer = scorer_file.from_bytes(files["scorer.npz"])
    live = fashion.observe(*fashion.live)
    images = fashion.live[0].astype(np.float64)
    rng = np.random.default_rng(given.seed)
    noisy = np.clip(images + rng.normal(0, 25.5, images.shape), 0, 255).astype(np.uint8)
    noise, digits = fashion.observe(noisy), fashion.observe(fashion.digits)
    bags = np.flatnonzero(live.labels == LABELS.index("bag"))

    def label_shift(n: int, rng: np.random.Generator) -> Observations:
        more = rng.random(n) < 1 / 6  # 10 % bags become 25 %
        return take(live, np.where(more, rng.choice(bags, n), rng.integers(0, len(live), n)))

    def contaminated(share: float) -> Draw:
        def draw(n: int, rng: np.random.Generator) -> Observations:
            foreign = round(share * n)
            usual = take(live, rng.choice(len(live), n - foreign, replace=False))
            return joined(usual, take(digits, rng.choice(len(digits), foreign, replace=False)))

        return draw

    shifts: dict[str, Draw] = {
        "no shift": lambda n, rng: take(live, rng.choice(len(live), n, replace=False)),
        "label (bags 10 to 25 %)": label_shift,
        "noise (sd .1)": lambda n, rng: take(noise, rng.choice(len(noise), n, replace=False)),
        "10 % digits": contaminated(0.1),
        "2 % digits": contaminated(0.02),
    }
    print(f"alarms in % of {given.trials} windows at {given.level:g}: windows of {SIZES}")
    thresholds = Thresholds(level=given.level)
    for name, draw in shifts.items():
        found = []
        for n in SIZES:
            alarms = 0
            for _ in range(given.trials):
                seen = draw(n, rng)
                alarms += compare(
                    profile, inputs_of(profile, seen, scorer.score(seen)).count(profile), thresholds
                ).alarm
            found.append(round(100 * alarms / given.trials))
        print(f"{name}: {' / '.join(map(str, found))}", flush=True)


if __name__ == "__main__":
    main()
