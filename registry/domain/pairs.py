"""Pairs of answers of candidate and baseline to the same request, as gates bet on them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from registry.domain import evalues
from registry.domain.evidence_table import Rival, Standing
from registry.domain.tally import Kind, Tally

Items = tuple[tuple[Kind, int], ...]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """What the verdicts on pairs say; candidate_only: pairs on which it alone was wrong."""

    pairs: int
    reviewed: int
    candidate_errors: int
    baseline_errors: int
    candidate_only: int
    baseline_only: int
    overdue: int


def pair_items(tally: Tally) -> Items:
    """The kinds of answers that have one of the baseline beside them."""
    return tuple((kind, times) for kind, times in tally.items() if kind.rival != Rival.NONE)


def count_pairs(items: Items) -> PairCounts:
    """Pairs as numbers; one whose baseline nobody judged counts for the candidate's errors only."""
    counts = dict.fromkeys(PairCounts.__dataclass_fields__, 0)
    for kind, times in items:
        mine, theirs = kind.standing == Standing.ERROR, kind.rival == Rival.ERROR
        judged = kind.rival in (Rival.CORRECT, Rival.ERROR)
        for name, holds in (
            ("pairs", True),
            ("reviewed", mine or kind.standing == Standing.CORRECT),
            ("candidate_errors", mine),
            ("baseline_errors", theirs),
            ("candidate_only", mine and judged and not theirs),
            ("baseline_only", theirs and not mine),
            ("overdue", kind.standing == Standing.OVERDUE),
        ):
            counts[name] += times if holds else 0
    return PairCounts(**counts)


def numbers_of(counts: PairCounts, tally: Tally) -> Mapping[str, Any]:
    """The counts, what waits, and what among them speaks against the candidate."""
    against = [counts.candidate_errors, counts.overdue]
    return {
        **asdict(counts),
        "pending": tally.pending,
        "waiting": tally.waiting,
        "against": against,
    }


def excess(items: Items, ratio: float, *, for_pass: bool) -> tuple[evalues.Floats, evalues.Floats]:
    """For each kind of pair (candidate's loss - ratio x baseline's) / chance, and how many.

    What is not known is taken at its worst: for a pass the candidate was wrong and the baseline
    right; for harm the other way round.
    """
    values = []
    for kind, _ in items:
        mine = kind.standing == Standing.ERROR
        theirs = kind.rival == Rival.ERROR
        if kind.standing == Standing.OVERDUE:
            mine, theirs = for_pass, not for_pass
        elif mine and kind.rival == Rival.UNKNOWN:
            theirs = not for_pass
        values.append((mine - ratio * theirs) / kind.chance)
    return np.array(values), np.array([float(times) for _, times in items])
