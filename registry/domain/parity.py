"""Proof that a bundle answers like the model that it was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.domain.observations import FloatArray

TOLERANCE = 1e-5
_ROUNDINGS, _LARGEST = 4, 1e-4


@dataclass(frozen=True, slots=True)
class Check:
    """The largest absolute difference over some rows, and how large it may be."""

    name: str
    rows: int
    difference: float
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """Whether there were rows and none differs by more; a NaN never passes."""
        return self.rows > 0 and self.difference <= self.tolerance

    @property
    def sentence(self) -> str:
        """For a person."""
        return (
            f"{self.name}: {self.rows} rows, largest difference {self.difference:.1e}"
            f" ({'within' if self.passed else 'over'} {self.tolerance:.2g})"
        )


@dataclass(frozen=True, slots=True)
class Parity:
    """All checks of one bundle."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether there are checks and all pass."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[str, ...]:
        """The sentences of those that do not."""
        return tuple(check.sentence for check in self.checks if not check.passed)

    @property
    def max_abs_diff(self) -> float:
        """The largest difference of probabilities among the checks."""
        return max((c.difference for c in self.checks if c.tolerance > 0), default=float("nan"))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        checks = [
            {
                "name": c.name,
                "rows": c.rows,
                "difference": c.difference,
                "tolerance": c.tolerance,
                "passed": c.passed,
            }
            for c in self.checks
        ]
        return {"passed": self.passed, "max_abs_diff": self.max_abs_diff, "checks": checks}


def compare(
    name: str, found: FloatArray, wanted: FloatArray, tolerance: float = TOLERANCE
) -> Check:
    """Compare two arrays of probabilities (n, labels); different shapes never pass."""
    if found.shape != wanted.shape or not len(found):
        return Check(name, len(found), float("inf"), tolerance)
    difference = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max()
    return Check(name, len(found), float(difference), tolerance)


def tolerance_for(alone: FloatArray, batch: FloatArray) -> float:
    """How far a copy's probabilities (n, labels) may be from the original's.

    alone, batch: what the original itself says of the same inputs one by one and in a batch. It
    adds up in another order there, so it differs from itself by what float32 loses; with large
    logits that alone may be more than TOLERANCE. A copy may differ by four times as much, since it
    rounds, too, and these are but a few inputs. Never by more than 1e-4: a model that far from
    itself is not noisy but depends on its batch.
    """
    if alone.shape != batch.shape or not len(alone):
        return TOLERANCE
    own = float(np.abs(alone.astype(np.float64) - batch.astype(np.float64)).max())
    return min(max(TOLERANCE, _ROUNDINGS * own), _LARGEST) if np.isfinite(own) else TOLERANCE


def compare_labels(name: str, found: Sequence[str], wanted: Sequence[str]) -> Check:
    """Count labels that differ; none may."""
    if len(found) != len(wanted):
        return Check(name, len(found), float("inf"), 0.0)
    different = sum(a != b for a, b in zip(found, wanted, strict=True))
    return Check(name, len(found), float(different), 0.0)


def compare_batches(
    differences: Mapping[str, float], tolerance: float = TOLERANCE
) -> tuple[Check, ...]:
    """What the converter measured between its module and the graph, by batch size."""
    return tuple(
        Check(f"graph and module, batch of {n}", int(n), difference, tolerance)
        for n, difference in sorted(differences.items(), key=lambda item: int(item[0]))
    )
