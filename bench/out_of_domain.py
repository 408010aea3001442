"""Realised rate and recall of the out-of-domain scorer on Fashion-MNIST against digits and noise.

    python -m bench.out_of_domain FOLDER [--seed 0] [--epochs 4] [--calibration 2000]

FOLDER holds fashion_mnist_20k_10k.npz and mnist_test_10k.npz.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from bench.fashion import BLOCKS, LABELS, Fashion, load
from monitoring.domain.out_of_domain import Scorer, fit_scorer
from monitoring.domain.signals import signals_of
from registry.domain.observations import Observations

LEVELS = (0.01, 0.05)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--calibration", type=int, default=2000)
    given = arguments.parse_args()
    fashion = load(given.folder, given.seed, given.epochs)
    live = fashion.observe(*fashion.live)
    print(f"accuracy on fresh images: {(live.logits.argmax(1) == live.labels).mean():.2%}")
    scorer = fit(fashion, given.calibration)
    rates(scorer, live)
    rng = np.random.default_rng(given.seed)
    noise = rng.integers(0, 256, fashion.live[0][:2000].shape).astype(np.uint8)
    foreign = {
        "digits": fashion.digits,
        "turned by 90 degrees": np.ascontiguousarray(np.rot90(fashion.live[0], axes=(2, 3))),
        "noise": noise,
    }
    usual = scorer.score(live).fused
    for name, images in foreign.items():
        scored = scorer.score(fashion.observe(images))
        recalls = ", ".join(f"{(scored.p_values <= a).mean():.1%} at {a:.0%}" for a in LEVELS)
        print(f"{name}: recall {recalls}; AUROC {auroc(usual, scored.fused):.2%}")
    cost(scorer, live)


def fit(fashion: Fashion, calibration: int) -> Scorer:
    width = BLOCKS[-1].width
    images, labels = fashion.calibration
    return fit_scorer(
        LABELS,
        signals_of(fashion.observe(*fashion.training), width),
        signals_of(fashion.observe(images[:calibration], labels[:calibration]), width),
    )


def rates(scorer: Scorer, live: Observations) -> None:
    from scipy import stats

    p_values = scorer.score(live).p_values
    for level in LEVELS:
        rate = scorer.realised_rate(level)
        spread = stats.betabinom(len(live), rate.k, rate.held_out + 1 - rate.k)
        low, high = spread.ppf([0.005, 0.995]) / len(live)
        realised = (p_values <= level).mean()
        inside = "inside" if low <= realised <= high else "OUTSIDE"
        print(f"stated {level:.0%}: {realised:.2%} flagged, {inside} {low:.2%} to {high:.2%}")


def cost(scorer: Scorer, live: Observations) -> None:
    for size in (1, 32):
        batch = Observations(*(getattr(live, f)[:size] for f in Observations.__slots__))
        took = []
        for _ in range(500):
            began = time.perf_counter()
            scorer.score(batch)
            took.append(time.perf_counter() - began)
        print(f"batch of {size}: {np.median(took) / size * 1e6:.0f} us an input (median)")


def auroc(usual: np.ndarray, foreign: np.ndarray) -> float:
    order = np.sort(usual)
    below = np.searchsorted(order, foreign, "left") + np.searchsorted(order, foreign, "right")
    return float(below.mean() / 2 / len(order))


if __name__ == "__main__":
    main()
