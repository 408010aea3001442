"""How many reviews and days a gate is expected to take, by the formulas that it decides with.

What a candidate that deserves to pass is like is assumed, and said: where a gate has a bound, two
fifths of what it allows; where it compares, half of what it allows.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from registry.domain import evalues
from registry.domain.decision import spoken
from registry.domain.drift_gate import ENOUGH_INPUTS
from registry.domain.plan import GateSpec, Plan, Review
from registry.domain.ratio_evalues import boundary

ASSUMED_SHARE_OF_BOUND = 0.4
_ASSUMED_RATE = 0.05  # of the baseline's errors
_ASSUMED_APART = 0.02  # of the requests on which one version is wrong and the other is not
_LITTLE = 1e-6  # a rate is told as a ratio; so little of it weighs nothing
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class GateForecast:
    """How many reviews and days a gate is expected to need; None where nobody can know."""

    type: str
    reviews: int | None
    days: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a gate will meet.

    answers: of the candidate a day. counted: those of them that gates on verdicts count, the first
    of each visit. units: of both versions a day. share: the part of the units
    that the candidate answers, 1 where it is compared with nobody or in shadow. shadow: whether
    both versions answer the same requests.
    """

    plan: Plan
    review: Review
    answers: float
    counted: float
    units: float
    share: float
    shadow: bool

    @property
    def alpha(self) -> float:
        """How often a pass may be wrong."""
        return round(1 - self.plan.defaults.confidence, 12)

    @property
    def inclusion(self) -> float:
        """The least chance of being reviewed."""
        return min(self.review.sample, self.review.flagged)


@dataclass(frozen=True, slots=True)
class _Needs:
    """reviews and days as in GateForecast; said: what it takes, and if what."""

    reviews: int
    days: float | None
    said: str


def forecast_gate(spec: GateSpec, setting: Setting) -> GateForecast:
    """What one gate takes if the candidate deserves to pass."""
    name = spec.type.replace("-", " ")
    if spec.type in _FED_BY_REVIEWS and setting.inclusion <= 0:
        return GateForecast(spec.type, None, None, f"{name}: nothing would be reviewed")
    needs = _FORECASTS.get(spec.type, _unknown)(spec, setting)
    if needs is None:
        return GateForecast(spec.type, None, None, f"{name}: no forecast, or far too many")
    each = ""
    if spec.options.get("per_segment"):
        each = f", and as many for each value of {' and '.join(setting.plan.segments)}"
    visits = _spoken_visits(setting.plan) if spec.type in _FED_BY_REVIEWS else ""
    sentence = f"{name}{needs.said}{each}{visits}{_spoken_days(needs.days, setting)}"
    return GateForecast(spec.type, needs.reviews, needs.days, sentence)


def reviews_needed(bound: float, inclusion: float, alpha: float, rate: float) -> int | None:
    """About how many answers pass the error-rate gate at this error rate; None: too many.

    Of these answers `inclusion` is the share that is reviewed.

    >>> reviews_needed(0.05, 1.0, 0.05, rate=0.0)
    74
    """
    if inclusion >= 1:
        return _at_rate(rate, bound, alpha)
    share = rate * inclusion
    losses, counts = np.array([0.0, 1 / inclusion]), np.array([1 - share, share]) * _LITTLE
    return evalues.more_answers(losses, inclusion, bound, alpha, counts)


def _error_rate(spec: GateSpec, setting: Setting) -> _Needs | None:
    bound, inclusion = _number(spec, "at_most"), setting.inclusion
    assumed = bound * ASSUMED_SHARE_OF_BOUND
    least = reviews_needed(bound, inclusion, setting.alpha, rate=0.0)
    answers = reviews_needed(bound, inclusion, setting.alpha, rate=assumed)
    if answers is None or least is None:
        return None
    reviews, fewest = math.ceil(answers * inclusion), math.ceil(least * inclusion)
    said = (
        f" below {bound:g}: about {reviews} reviews if {_percent(assumed)} of the answers are "
        f"wrong, {fewest} if none is"
    )
    return _Needs(reviews, _days(answers, setting.counted), said)


def _paired_loss(spec: GateSpec, setting: Setting) -> _Needs | None:
    margin, inclusion = _number(spec, "margin"), setting.inclusion
    stakes = evalues.PAIR_STAKES / (1 / inclusion - margin)
    apart = _ASSUMED_APART * inclusion
    gains = (margin, margin - 1 / inclusion, margin + 1 / inclusion)
    pairs = _bets(gains, (1 - 2 * apart, apart, apart), stakes, setting.alpha)
    least = _bets((margin,), (1.0,), stakes, setting.alpha)
    if pairs is None or least is None:
        return None
    reviews, fewest = math.ceil(pairs * inclusion), math.ceil(least * inclusion)
    said = (
        f" of at most {margin:g}: about {reviews} reviews if both are wrong as often, each alone "
        f"in {_percent(_ASSUMED_APART)} of the answers, {fewest} if they never differ"
    )
    return _Needs(reviews, _days(pairs, setting.counted), said)


def _error_ratio(spec: GateSpec, setting: Setting) -> _Needs | None:
    ratio, inclusion, theirs = _number(spec, "at_most"), setting.inclusion, _ASSUMED_RATE
    mine = min(theirs * ratio / 2, 1 - theirs)
    if setting.shadow:
        gains = (0.0, -1 / inclusion, ratio / inclusion)
        shares = (1 - (mine + theirs) * inclusion, mine * inclusion, theirs * inclusion)
        answers = _bets(gains, shares, evalues.PAIR_STAKES * inclusion, setting.alpha)
        a_day = setting.counted
    else:
        met = _events(setting.share, ratio / 2, ratio, setting.alpha)
        wrong = setting.share * mine + (1 - setting.share) * theirs
        answers = None if met is None else math.ceil(met / wrong)
        a_day = setting.counted / setting.share
    if answers is None:
        return None
    reviews = math.ceil(answers * inclusion)
    said = (
        f" of at most {ratio:g}: about {reviews} reviews{'' if setting.shadow else ' of both'} if "
        f"{_percent(theirs)} of the baseline's answers are wrong and {_percent(mine)} of the "
        "candidate's"
    )
    return _Needs(reviews, _days(answers, a_day), said)


def _agreement(spec: GateSpec, setting: Setting) -> _Needs | None:
    items = _mistakes(1 - _number(spec, "at_least"), setting)
    if items is None:
        return None
    twice = setting.counted * setting.review.sample if _two_are_asked(setting.review) else 0.0
    said = (
        f": about {2 * items} reviews, two people each of {items} answers, if they differ on two "
        "fifths of what is allowed"
    )
    return _Needs(2 * items, _days(items, twice), said)


def _gold(spec: GateSpec, setting: Setting) -> _Needs | None:
    items = _mistakes(1 - _number(spec, "at_least"), setting)
    if items is None:
        return None
    planted = setting.answers * setting.review.sample * setting.review.gold
    said = f": about {items} gold items if two fifths of the allowed mistakes are made on them"
    return _Needs(items, _days(items, planted), said)


def _failures(spec: GateSpec, setting: Setting) -> _Needs | None:
    bound, compared = _number(spec, "at_most"), setting.share < 1
    alpha = setting.alpha / (2 if compared else 1)
    units = reviews_needed(bound, 1.0, alpha, rate=bound * ASSUMED_SHARE_OF_BOUND)
    if units is None:
        return None
    said = (
        f": about {units} units of the candidate if {_percent(bound * ASSUMED_SHARE_OF_BOUND)} "
        "of them meet a failure"
    )
    return _Needs(0, _days(units, setting.units * setting.share), said)


def _latency(spec: GateSpec, setting: Setting) -> _Needs | None:
    beyond = 1 - _number(spec, "quantile")
    if spec.options.get("at_most_ms") is not None:
        visits = _mistakes(beyond, setting)
        if visits is None:
            return None
        said = f": about {visits} visits if two fifths of what is allowed are slower"
        return _Needs(0, _days(visits, setting.units * setting.share), said)
    met = _events(setting.share, 0.5, 1.0, setting.alpha)
    if met is None:
        return None
    units = math.ceil(met / (beyond * (1 - setting.share / 2)))
    said = (
        f": about {units} units of both versions if each asks once, and half as many of the "
        "candidate's as are allowed meet a slow answer"
    )
    return _Needs(0, _days(units, setting.units), said)


def _split(spec: GateSpec, setting: Setting) -> _Needs | None:
    units = int(_number(spec, "after_units"))
    return _Needs(0, _days(units, setting.units), f": {units} units of both versions")


def _action_rate(spec: GateSpec, setting: Setting) -> _Needs | None:
    low, high = _interval(spec)
    rare, stated = _number(spec, "rare_below"), spec.options.get("against")
    alpha = setting.alpha / 2  # it may also be too rare to judge
    if isinstance(stated, Mapping):
        judged = [rate for rate in map(_rate, stated.values()) if rate >= rare]
        found = [_between(rate, rate * low, rate * high, alpha) for rate in judged]
        needed, a_day = max(found, key=_or_never, default=None), setting.units * setting.share
        whose = "the candidate"
    else:
        share = setting.share
        bounds = (boundary(share, low), boundary(share, high)) if share < 1 else (0.0, 1.0)
        met = _between(share, *bounds, alpha) if share < 1 and rare else None
        needed, a_day = None if met is None else math.ceil(met / rare), setting.units
        whose = "both versions"
    if needed is None:
        return None
    said = f": about {needed} units of {whose} if the rarest label that is judged is as frequent"
    return _Needs(0, _days(needed, a_day), said)


def _drift(spec: GateSpec, setting: Setting) -> _Needs | None:
    said = f": needs {ENOUGH_INPUTS} inputs of this stage"
    return _Needs(0, _days(ENOUGH_INPUTS, setting.answers), said)


def _unknown(spec: GateSpec, setting: Setting) -> _Needs | None:
    return None


_FED_BY_REVIEWS = frozenset({"error-rate", "paired-loss", "error-ratio"})
_FORECASTS: Mapping[str, Callable[[GateSpec, Setting], _Needs | None]] = {
    "error-rate": _error_rate,
    "paired-loss": _paired_loss,
    "error-ratio": _error_ratio,
    "agreement": _agreement,
    "gold": _gold,
    "failures": _failures,
    "latency": _latency,
    "split": _split,
    "action-rate": _action_rate,
    "drift": _drift,
}


def _mistakes(bound: float, setting: Setting) -> int | None:
    return reviews_needed(bound, 1.0, setting.alpha, rate=bound * ASSUMED_SHARE_OF_BOUND)


def _at_rate(rate: float, bound: float, alpha: float) -> int | None:
    return evalues.more_reviews(rate * _LITTLE, _LITTLE, bound, alpha)  # type: ignore[arg-type]


def _events(share: float, ratio: float, bound: float, alpha: float) -> int | None:
    """How many units of both that met something show that their ratio is below the bound."""
    if share >= 1:
        return None
    return _at_rate(boundary(share, ratio), boundary(share, bound), alpha)


def _between(rate: float, low: float, high: float, alpha: float) -> int | None:
    """How many show that a rate lies between two bounds."""
    below = _at_rate(rate, min(high, 1.0), alpha) if high < 1 else 0
    above = _at_rate(1 - rate, 1 - low, alpha)
    return None if below is None or above is None else max(below, above)


def _bets(
    gains: Sequence[float], shares: Sequence[float], stakes: evalues.Floats, alpha: float
) -> int | None:
    return evalues.more_bets(np.array(gains), np.array(shares) * _LITTLE, stakes, alpha)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _or_never(needed: int | None) -> float:
    return math.inf if needed is None else needed


def _interval(spec: GateSpec) -> tuple[float, float]:
    low, high = (float(str(end)) for end in spec.options["ratio"])  # type: ignore[attr-defined]
    return low, high


def _rate(value: object) -> float:
    return float(str(value))


def _number(spec: GateSpec, name: str) -> float:
    return float(str(spec.options[name]))


def _two_are_asked(review: Review) -> bool:
    return review.opinions.get("audit", 1) >= 2


def _days(needed: int, a_day: float) -> float | None:
    return round(needed / a_day, 2) if a_day else None


def _spoken_visits(plan: Plan) -> str:
    if not plan.visit_seconds:
        return ""
    return f", each {plan.unit} counted once in {spoken(plan.visit_seconds)}"


def _spoken_days(days: float | None, setting: Setting) -> str:
    if days is not None:
        return f"; about {spoken(days * _DAY)} at the present traffic"
    if setting.answers:
        return "; how many days that takes nobody can tell from the traffic"
    return "; no traffic yet, so nobody knows how long that takes"
