"""What is measured of automation bias, where it is known: `python -m bench.review_bias`.

Simulated months of trials. Kinds of items differ in how often they come, how often the model is
wrong and how hard its errors are to see; six people differ in how much they overlook, and where a
model's answer is shown they follow it on this many points more of its errors. The second person
and the lead look for themselves. Beside the estimate that pages show: all work items with the
answer shown against audit items without it, which are other items.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from serving.domain.accuracy import Estimate
from serving.domain.bias import Accepted, Trials
from serving.domain.stratified import common_difference

SHARES = np.array([0.4, 0.3, 0.2, 0.1])  # of the kinds among the model's errors in trials
AUDITED = np.array([0.9, 0.1, 0.0, 0.0])  # and among those in audit items, which nothing flags
OVERLOOKED = np.array([0.05, 0.15, 0.35, 0.6])  # of a kind's errors by people who see no answer
CARE = np.linspace(0.6, 1.4, 6)  # by which a person multiplies that


@dataclass(frozen=True, slots=True)
class Month:
    """A month's trials by kind, and the errors of audit items."""

    trials: tuple[Trials, ...]
    audited: Accepted

    @property
    def alike(self) -> Estimate | None:
        """As it is measured: within kinds."""
        return common_difference([(_share(each.shown), _share(each.blind)) for each in self.trials])

    @property
    def unlike(self) -> Estimate | None:
        """All shown ones against other items."""
        shown = sum((each.shown for each in self.trials), Accepted())
        return common_difference([(_share(shown), _share(self.audited))])


def months(rng: np.random.Generator, count: int, errors: float, sway: float) -> Iterator[Month]:
    """Months with this many errors of the model in trials, in the mean."""
    for _ in range(count):
        n = int(rng.poisson(errors))
        kind, shown = rng.choice(len(SHARES), n, p=SHARES), rng.random(n) < 0.5
        accepts = _accepts(rng, kind, np.where(shown, sway, 0.0))
        found = ~_accepts(rng, kind, np.zeros(n))
        trials = tuple(
            Trials(*(_count(accepts[found & (kind == k) & arm]) for arm in (shown, ~shown)))
            for k in range(len(SHARES))
        )
        audit = rng.choice(len(SHARES), n, p=AUDITED)
        yield Month(trials, _count(_accepts(rng, audit, np.zeros(n))))


def truth(sway: float) -> float:
    """How many more of the errors that a second person finds are accepted when shown."""
    missed = np.minimum(1.0, OVERLOOKED[:, None] * CARE).mean(axis=1)
    found = SHARES * (1 - missed)
    return float((found * (1 - missed) * sway).sum() / found.sum())


def _accepts(rng: np.random.Generator, kind: np.ndarray, sway: np.ndarray) -> np.ndarray:
    missed = np.minimum(1.0, OVERLOOKED[kind] * rng.choice(CARE, len(kind)))
    return rng.random(len(kind)) < missed + (1 - missed) * sway


def _count(accepted: np.ndarray) -> Accepted:
    return Accepted(len(accepted), int(accepted.sum()))


def _share(some: Accepted) -> tuple[int, int]:
    return some.accepted, some.errors


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--months", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    rng = np.random.default_rng(given.seed)
    print("errors   truth   off by   covers   beyond it   width   unlike: off by   covers")
    for errors in (10, 30, 100, 300):
        for sway in (0.0, 0.2, 0.5):
            known = truth(sway)
            both = [(m.alike, m.unlike) for m in months(rng, given.months, errors, sway)]
            alike, unlike = ([e for e in some if e] for some in zip(*both, strict=True))
            beyond = np.mean([e.low > known for e in alike])
            width = np.mean([e.high - e.low for e in alike])
            print(
                f"{errors:6}{known:8.3f}{_off(alike, known)}{beyond:12.2%}{width:8.2f}   "
                f"     {_off(unlike, known)}"
            )


def _off(found: list[Estimate], known: float) -> str:
    off = np.mean([e.value for e in found]) - known
    return f"{off:+9.3f}{np.mean([e.low <= known <= e.high for e in found]):9.1%}"


if __name__ == "__main__":
    main()
