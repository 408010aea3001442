"""How often clean streams of Fashion-MNIST alarm, how soon shifted ones do, and what is named.

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
from monitoring.domain.drift_tests import compare
from monitoring.domain.inputs import Inputs, join
from monitoring.domain.profile import Profile
from monitoring.services.fit_reference import MonitoringReferenceFitter
from monitoring.services.live_window import inputs_of

LENGTH, BEFORE = 3000, 1000
Draw = Callable[[int, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class World:
    """Known inputs with their places, (n, signals); streams are rows of them."""

    profile: Profile
    signals: tuple[Signal, ...]
    inputs: Inputs
    places: np.ndarray
    pools: dict[str, np.ndarray]

    def some(self, pool: str) -> Draw:
        return lambda n, rng: rng.choice(self.pools[pool], n, replace=False)

    def label_shift(self, n: int, rng: np.random.Generator) -> np.ndarray:
        more = rng.random(n) < 1 / 6  # 10 % bags become 25 %
        return np.where(more, rng.choice(self.pools["bags"], n), rng.choice(self.pools["usual"], n))

    def contaminated(self, share: float) -> Draw:
        def draw(n: int, rng: np.random.Generator) -> np.ndarray:
            mixed, where = self.some("usual")(n, rng), rng.random(n) < share
            mixed[where] = self.some("foreign")(int(where.sum()), rng)
            return mixed

        return draw

    def names_what_moved(self, rows: np.ndarray) -> bool:
        return compare(self.profile, taken(self.inputs, rows).count(self.profile)).alarm


def taken(inputs: Inputs, rows: np.ndarray) -> Inputs:
    values = {name: column[rows] for name, column in inputs.values.items()}
    return Inputs(values, inputs.classes[rows], inputs.p_values[rows])


def prepared(fashion: Fashion, seed: int) -> World:
    training, held_out = (fashion.observe(*d) for d in (fashion.training, fashion.calibration))
    files = MonitoringReferenceFitter().fit(LABELS, BLOCKS, [training], [held_out])
    profile = profiles.from_json(files["profile.json"])
    scorer = scorer_file.from_bytes(files["scorer.npz"])
    signals = signals_of(profile)
    images = fashion.live[0].astype(np.float64)
    noise = np.random.default_rng(seed).normal(0, 25.5, images.shape)
    live = fashion.observe(*fashion.live)
    seen = {
        "usual": live,
        "foreign": fashion.observe(fashion.digits),
        "noisy": fashion.observe(np.clip(images + noise, 0, 255).astype(np.uint8)),
        "darker": fashion.observe((images * 0.8).astype(np.uint8)),
    }
    inputs = join([inputs_of(profile, each, scorer.score(each)) for each in seen.values()])
    places = places_of(profile, signals, inputs.values, inputs.classes)
    if places is None:
        raise SystemExit("the scorer does not give every signal")
    ends = np.cumsum([len(each) for each in seen.values()])
    pools = {
        name: np.arange(end - len(each), end)
        for (name, each), end in zip(seen.items(), ends, strict=True)
    }
    pools["bags"] = np.flatnonzero(live.labels == LABELS.index("bag"))
    return World(profile, signals, inputs, places, pools)


@dataclass(frozen=True)
class Alarm:
    """How many inputs it took, and how many the evidence had grown for."""

    delay: float
    grown_for: int = 0


def first_alarm(detector: Detector, places: np.ndarray, rng: np.random.Generator) -> Alarm:
    ties = rng.random(places.shape)
    for i in range(len(places)):
        detector.see(places[i : i + 1], ties[i : i + 1])
        report = detector.report()
        if report.evidence >= USUAL_BETS.run_length:
            return Alarm(i + 1, report.grown_for)
    return Alarm(np.inf)


def shifted(world: World, draw: Draw, rng: np.random.Generator) -> tuple[float, bool, bool] | None:
    """The delay, and whether tests of the inputs since the evidence grew, and of the last 500,
    name what moved; None for a stream that alarmed before: that says nothing of the delay."""
    detector, before = Detector(world.signals), world.some("usual")(BEFORE, rng)
    if np.isfinite(first_alarm(detector, world.places[before], rng).delay):
        return None
    rows = draw(LENGTH - BEFORE, rng)
    alarm = first_alarm(detector, world.places[rows], rng)
    if not np.isfinite(alarm.delay):
        return np.inf, False, False
    stream = np.concatenate([before, rows[: int(alarm.delay)]])
    named = [world.names_what_moved(stream[-n:]) for n in (alarm.grown_for, 500)]
    return alarm.delay, named[0], named[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--epochs", type=int, default=4)
    arguments.add_argument("--streams", type=int, default=50)
    given = arguments.parse_args()
    world = prepared(load(given.folder, given.seed, given.epochs), given.seed)
    streams = [np.random.default_rng([given.seed, i]) for i in range(given.streams)]
    usual = world.some("usual")
    delays = [
        first_alarm(Detector(world.signals), world.places[usual(LENGTH, r)], r).delay
        for r in streams
    ]
    print(f"clean: {np.isfinite(delays).sum()} of {given.streams} streams of {LENGTH} alarm")
    shifts = {
        "noise (sd .1)": world.some("noisy"),
        "darker by 20 %": world.some("darker"),
        "10 % digits": world.contaminated(0.1),
        "2 % digits": world.contaminated(0.02),
        "label (bags 10 to 25 %)": world.label_shift,
    }
    for name, draw in shifts.items():
        seen = [d for r in streams if (d := shifted(world, draw, r)) is not None]
        found = [each for each in seen if np.isfinite(each[0])]
        delay = np.median([each[0] for each in seen])
        print(
            f"{name}: median {delay:g} inputs, {len(seen) - len(found)} of {len(seen)} not found; "
            f"{sum(f[1] for f in found)} of {len(found)} alarms named what moved at once "
            f"({sum(f[2] for f in found)} by the last 500 inputs)"
        )


if __name__ == "__main__":
    main()
