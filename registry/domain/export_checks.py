"""Whether an exported model still answers like the version that it was made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from registry.domain.observations import FloatArray, IntArray

RELATIVE, ABSOLUTE = 1e-3, 1e-5


@dataclass(frozen=True, slots=True)
class Closeness:
    """How far numbers are from those that were wanted.

    difference: the largest. share: the largest, as a share of what its number may differ by, which
    is ABSOLUTE + RELATIVE * |wanted|.
    """

    name: str
    rows: int
    difference: float
    share: float

    @property
    def passed(self) -> bool:
        """Whether there were rows and all numbers are close; a NaN never is."""
        return self.rows > 0 and self.share <= 1

    @property
    def sentence(self) -> str:
        """For a person."""
        word = "within" if self.passed else "over"
        return (
            f"{self.name}: {self.rows} rows, largest difference {self.difference:.1e}"
            f" ({self.share:.2g} of what is allowed, so {word} rtol {RELATIVE:g}, atol"
            f" {ABSOLUTE:g})"
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many inputs get the class that they got, and how many the right one, then and now.

    known: whether the right ones are known.
    """

    rows: int
    agreed: int
    right_before: int
    right_after: int
    at_least: float
    drop_at_most: float
    known: bool = True

    @property
    def share(self) -> float:
        """Of the inputs that keep their class."""
        return self.agreed / self.rows if self.rows else 0.0

    @property
    def change(self) -> float:
        """Of the accuracy, below 0 where it falls."""
        return (self.right_after - self.right_before) / self.rows if self.rows else 0.0

    @property
    def passed(self) -> bool:
        """Whether there were rows, enough agree, and the accuracy does not fall too far."""
        fell = -self.change
        return self.rows > 0 and self.share >= self.at_least and fell <= self.drop_at_most

    @property
    def sentence(self) -> str:
        """For a person."""
        same = (
            f"same class for {self.agreed} of {self.rows} inputs ({self.share:.1%}, at least"
            f" {self.at_least:.1%} wanted)"
        )
        if not self.known:
            return same
        return (
            f"{same}; accuracy {self.right_before} to {self.right_after} of"
            f" {self.rows} ({self.change:+.1%}, at most -{self.drop_at_most:.1%} allowed)"
        )


Judgement = tuple[Closeness, ...] | Agreement


def close(name: str, found: Sequence[FloatArray], wanted: Sequence[FloatArray]) -> Closeness:
    """Compare outputs, array by array; another shape or number of them is never close."""
    rows = len(wanted[0]) if wanted else 0
    if [np.shape(one) for one in found] != [np.shape(one) for one in wanted]:
        return Closeness(name, rows, float("inf"), float("inf"))
    differences, shares = [0.0], [0.0]
    for one, other in zip(found, wanted, strict=True):
        difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
        allowed = ABSOLUTE + RELATIVE * np.abs(other.astype(np.float64))
        differences.append(float(difference.max(initial=0.0)))
        shares.append(float((difference / allowed).max(initial=0.0)))
    return Closeness(name, rows, float(np.max(differences)), float(np.max(shares)))


def agree(
    before: IntArray, after: IntArray, truth: IntArray, at_least: float, drop_at_most: float
) -> Agreement:
    """Compare classes, by their index; truth: the right ones, -1 where nobody knows."""
    return Agreement(
        rows=len(truth),
        agreed=int((before == after).sum()),
        right_before=int((before == truth).sum()),
        right_after=int((after == truth).sum()),
        at_least=at_least,
        drop_at_most=drop_at_most,
        known=bool((truth >= 0).all()),
    )


def failures(judged: Judgement) -> tuple[str, ...]:
    """The sentences of what does not pass; no checks at all is a failure, too."""
    checks = (judged,) if isinstance(judged, Agreement) else judged
    if not checks:
        return ("nothing was compared",)
    return tuple(check.sentence for check in checks if not check.passed)


def judgement_document(judged: Judgement) -> dict[str, Any]:
    """As JSON."""
    if isinstance(judged, Agreement):
        return {
            "passed": judged.passed,
            "inputs": judged.rows,
            "same_class": judged.share,
            "at_least": judged.at_least,
            "accuracy_before": judged.right_before / max(1, judged.rows) if judged.known else None,
            "accuracy_after": judged.right_after / max(1, judged.rows) if judged.known else None,
            "accuracy_change": judged.change if judged.known else None,
            "drop_at_most": judged.drop_at_most,
        }
    checks = [
        {
            "name": c.name,
            "rows": c.rows,
            "difference": c.difference,
            "share_of_tolerance": c.share,
            "passed": c.passed,
        }
        for c in judged
    ]
    return {"passed": not failures(judged), "rtol": RELATIVE, "atol": ABSOLUTE, "checks": checks}
