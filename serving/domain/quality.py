"""How often a version is right, from counts of its reviewed answers, in words and numbers.

Answers that were drawn alike form a stratum. Within one, those judged so far stand for those that
still wait, as audit items are worked off in the order of their random numbers; those that somebody
passed on stand for themselves only, and bound the rate from both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.domain.accuracy import ErrorRate, Estimate, Known, error_rate
from serving.domain.agreement import Agreement, cohen_kappa, krippendorff_alpha
from serving.domain.prediction import Code

NONE_FITS = ""  # the label of an answer that no label fits

# Reasons that do not depend on what the model said.
_BY_CHANCE = frozenset({Code.AUDIT.value, Code.SUPERVISED.value})


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers drawn for the same reasons with the same chance.

    judged: with a final outcome, of which `errors` differ from the model's answer. waiting: not
    looked at yet. lost: passed on, past due or cancelled, so perhaps unlike the others.
    """

    codes: str
    chance: float
    judged: int
    errors: int
    waiting: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of right answers: see ErrorRate. judged: how many people have judged."""

    naive: Estimate | None
    weighted: Estimate | None
    corrected: Estimate | None
    worst: float | None
    best: float | None
    judged: int
    waiting: int
    lost: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Agreeing:
    """How far reviewers agree on what they answered without knowing of each other."""

    items: int
    same: int
    kappa: Agreement | None
    alpha: float | None


def accuracy(
    strata: Sequence[Stratum], known: Known | None = None, confidence: float = 0.95
) -> Accuracy:
    """What the strata say of all answers.

    A stratum of which a share r is judged so far counts with the chance of review times r; one of
    which nobody has judged any is lost.

    >>> accuracy([Stratum("audit", 0.1, 95, 5), Stratum("out-of-domain", 1.0, 50, 25)]).judged
    145
    """
    judged = [one for one in strata if one.judged]
    found = error_rate(
        np.concatenate([_verdicts(one) for one in judged] or [np.empty(0, dtype=bool)]),
        _repeated([(one.chance * _response(one), one.judged) for one in judged]),
        _repeated([(one.chance, _silent(one)) for one in strata]),
        known,
        confidence,
    )
    return Accuracy(
        naive=_right(found.naive),
        weighted=_right(found.weighted),
        corrected=_right(found.corrected),
        worst=None if found.worst is None else 1 - found.worst,
        best=None if found.best is None else 1 - found.best,
        judged=sum(one.judged for one in strata),
        waiting=sum(one.waiting for one in strata),
        lost=sum(one.lost for one in strata),
        sentence=_sentence(judged, found),
    )


def agreeing(units: Sequence[Sequence[str]]) -> Agreeing:
    """Agreement over items, each with its reviewers' labels in the order in which they came.

    >>> agreeing([("a", "a"), ("a", "b"), ("b", "b")]).same
    2
    """
    pairs = [(unit[0], unit[1]) for unit in units if len(unit) > 1]
    same = sum(one == other for one, other in pairs)
    return Agreeing(len(pairs), same, cohen_kappa(pairs), krippendorff_alpha(units))


def share(of: float) -> str:
    """A share as percent, for a sentence."""
    return f"{100 * of:.1f} %"


def _verdicts(one: Stratum) -> np.ndarray:
    return np.arange(one.judged) < one.errors


def _response(one: Stratum) -> float:
    return one.judged / (one.judged + one.waiting)


def _silent(one: Stratum) -> int:
    return one.lost + (0 if one.judged else one.waiting)


def _repeated(counted: Sequence[tuple[float, int]]) -> np.ndarray:
    values = np.array([value for value, _ in counted], dtype=np.float64)
    return np.repeat(values, [count for _, count in counted])


def _right(wrong: Estimate | None) -> Estimate | None:
    if wrong is None:
        return None
    return Estimate(1 - wrong.value, 1 - wrong.high, 1 - wrong.low, wrong.n)


def _sentence(judged: Sequence[Stratum], found: ErrorRate) -> str:
    if found.weighted is None or found.naive is None:
        return "no answer of this version has been reviewed yet"
    if not any(_BY_CHANCE & set(one.codes.split()) for one in judged):
        return (
            "only answers with a flag were reviewed, which says nothing of the others; add a "
            "random sample to the plan, for example `sample: 0.1`"
        )
    best = found.corrected or found.weighted
    said = f"{share(1 - best.value)} of all answers are right"
    said += f" (95 % interval: {share(1 - best.high)} to {share(1 - best.low)})"
    if found.corrected is None:
        return f"{said}, if reviewers make no mistakes: no gold items say how often they do"
    return f"{said}, with the reviewers' own mistakes taken out by gold items"
