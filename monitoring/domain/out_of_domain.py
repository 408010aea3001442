"""Whether an input is like the training data: four scores, fused into one calibrated p-value.

Scores, each large for strange inputs, all from one forward pass:

- feature distance: squared Mahalanobis distance to the nearest class over the channel means of
  every block and the pixels' mean and spread (Lee et al. 2018, in spirit);
- relative distance: the same on the penultimate block, less the distance to all classes taken
  as one (Ren et al. 2021, arXiv 2106.09022);
- uncertainty: 1 - the largest probability (Hendrycks and Gimpel 2017, arXiv 1610.02136);
- appearance: squared Mahalanobis distance of brightness, contrast, sharpness and colours (of a
  row: of its numbers, and of which categories are unknown) to those of all training inputs. It
  sees what a small network has learnt to ignore, and broken cameras.

No single score wins everywhere. Half A of the held-out rows turns each into a surprise, the
largest of them is kept, and half B calibrates it: `p = (1 + #{B: m_B as unlikely or more}) /
(n_B + 1)`. Since only B limits the smallest p, B gets three quarters of the rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.domain import conformal
from monitoring.domain.conformal import RealisedRate, Surprise, fit_surprise
from monitoring.domain.gaussian import ClassGaussians, fit_gaussians
from monitoring.domain.signals import Signals, signals_of
from registry.domain.errors import Invalid
from registry.domain.observations import FloatArray, IntArray, Observations

SCORES = ("feature_distance", "relative_distance", "uncertainty", "appearance")
SHARE_A = 0.25
MOST_A = 2000
LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class OutOfDomain:
    """The scores of n inputs.

    p_values: (n,). fused: (n,), the largest surprise. scores and surprises: (n, 4) in the order of
    SCORES. usual: the score below which 95 % of the held-out inputs stay, for each of them.
    of_rows: the inputs are rows of a table, not images. appearance: (n, s) what they look like
    without the model, kept for those who count it.
    """

    p_values: npt.NDArray[np.float64]
    fused: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    surprises: npt.NDArray[np.float64]
    usual: tuple[float, ...]
    of_rows: bool = False
    appearance: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.p_values)

    def reason(self, i: int) -> str:
        """A sentence for a person on input i: what is unusual, how far, how sure.

        It names no class: a blind reviewer and a held caller may read it.
        """
        p, inputs = self.p_values[i], "rows" if self.of_rows else "images"
        if p > 0.05:
            return f"looks like the training {inputs} (p = {p:.2g})"
        which = int(self.surprises[i].argmax())
        score, usual = self.scores[i, which], self.usual[which]
        known = f"where 95 % of known {inputs} stay within {usual:.4g}"
        looks = "values" if self.of_rows else "brightness, sharpness or colours"
        what = (
            f"its features lie {score:.4g} from the nearest class, {known}",
            f"its last features fit no class (relative distance {score:.4g}, 95 % of known "
            f"{inputs} stay below {usual:.4g})",
            f"the model is unsure (largest probability {1 - score:.2g}, 95 % of known {inputs} are "
            f"above {1 - usual:.2g})",
            f"its {looks} lie {score:.4g} from those of the training {inputs}, {known}",
        )[which]
        return f"unlike the training {inputs} (p = {p:.2g}): {what}"


@dataclass(frozen=True, slots=True)
class Scorer:
    """A fitted and calibrated scorer of one model version; cheap and stateless.

    labels: the model's labels. all_blocks, last_block, as_one, appearance: the Gaussians over all
    columns and the penultimate block by class, and over the penultimate block and the image
    statistics as one class. surprises: one for each of SCORES. held_out: (n_B,) sorted fused
    surprises of half B.
    """

    labels: tuple[str, ...]
    penultimate: int
    all_blocks: ClassGaussians
    last_block: ClassGaussians
    as_one: ClassGaussians
    appearance: ClassGaussians
    surprises: tuple[Surprise, ...]
    held_out: npt.NDArray[np.float64]

    @property
    def minimum_level(self) -> float:
        """The smallest p-value there can be, 1 / (n_B + 1)."""
        return 1.0 / (len(self.held_out) + 1)

    def require_level(self, level: float) -> None:
        """Invalid if this scorer was calibrated on too few rows to flag at this level."""
        if self.minimum_level <= level:
            return
        have, need = len(self.held_out), rows_needed(level)
        raise Invalid(
            f"out_of_domain: {level:g} is finer than this version can tell (its smallest p-value "
            f"is {self.minimum_level:.2g}, from {have} held-out images); register it with at least "
            f"{need} calibration images, or allow {self.minimum_level:.2g} or more"
        )

    def realised_rate(self, level: float) -> RealisedRate:
        """How often inputs of the domain will be flagged at a level, as far as can be known."""
        return RealisedRate(level, len(self.held_out))

    def score(self, observations: Observations) -> OutOfDomain:
        """Score a batch."""
        return self.score_signals(signals_of(observations, self.penultimate))

    def score_signals(self, signals: Signals) -> OutOfDomain:
        """Score inputs whose signals were taken before."""
        gaussians = (self.all_blocks, self.last_block, self.as_one, self.appearance)
        raw = raw_scores(signals, *gaussians)
        surprises = _surprises(raw, self.surprises)
        fused = surprises.max(axis=1)
        return OutOfDomain(
            p_values=conformal.p_values(fused, self.held_out),
            fused=fused,
            scores=raw,
            surprises=surprises,
            usual=tuple(s.usual for s in self.surprises),
            of_rows=signals.of_rows,
            appearance=signals.appearance,
        )


def raw_scores(
    signals: Signals,
    all_blocks: ClassGaussians,
    last_block: ClassGaussians,
    as_one: ClassGaussians,
    appearance: ClassGaussians,
) -> npt.NDArray[np.float64]:
    """The four scores, (n, 4)."""
    distances = all_blocks.squared_distances(signals.vectors)
    last = signals.last_block
    relative = last_block.squared_distances(last).min(axis=1) - as_one.squared_distances(last)[:, 0]
    uncertainty = 1.0 - signals.probabilities.max(axis=1).astype(np.float64)
    looks = appearance.squared_distances(signals.appearance)[:, 0]
    return np.column_stack([distances.min(axis=1), relative, uncertainty, looks])


def fit_scorer(
    labels: Sequence[str], training: Signals, held_out: Signals, seed: int = 0
) -> Scorer:
    """Fit on training rows, calibrate on held-out rows that the model has never seen.

    Invalid if there are too few of either; the split into A and B is fixed by the seed.
    """
    _require_rows(training, held_out)
    classes = training.classes
    one = np.zeros_like(classes)
    all_blocks = fit_gaussians(training.vectors, classes)
    last_block = fit_gaussians(training.last_block, classes)
    as_one = fit_gaussians(training.last_block, one)
    appearance = fit_gaussians(training.appearance, one)
    gaussians = (all_blocks, last_block, as_one, appearance)
    raw = raw_scores(held_out, *gaussians)
    a, b = split(len(held_out), seed)
    surprises = tuple(fit_surprise(raw[a, j]) for j in range(len(SCORES)))
    fused = np.sort(_surprises(raw[b], surprises).max(axis=1))
    return Scorer(tuple(labels), training.penultimate, *gaussians, surprises, fused)


def split(rows: int, seed: int) -> tuple[IntArray, IntArray]:
    """The row indices of half A and half B."""
    order = np.random.default_rng(seed).permutation(rows)
    in_a = min(max(round(SHARE_A * rows), LEAST_ROWS // 4), MOST_A)
    return order[:in_a], order[in_a:]


def rows_needed(level: float) -> int:
    """How many calibration rows, A and B together, let p <= level occur."""
    in_b = conformal.held_out_rows_for(level)
    return max(math.ceil(in_b / (1.0 - SHARE_A)) + 1, LEAST_ROWS)


def _surprises(raw: FloatArray, surprises: Sequence[Surprise]) -> npt.NDArray[np.float64]:
    return np.column_stack([surprise(raw[:, j]) for j, surprise in enumerate(surprises)])


def _require_rows(training: Signals, held_out: Signals) -> None:
    if len(training) < LEAST_ROWS or len(held_out) < LEAST_ROWS:
        raise Invalid(
            f"an out-of-domain scorer needs at least {LEAST_ROWS} training and {LEAST_ROWS} "
            f"calibration images, not {len(training)} and {len(held_out)}; give more, or leave "
            "the calibration data out"
        )
    if not np.isfinite(training.vectors).all() or not np.isfinite(held_out.vectors).all():
        raise Invalid(
            "the model gives features that are not finite numbers for some training or "
            "calibration images; look at the model's weights"
        )
