"""Whether reviewers follow a model's answer because they see it, and what follows from that.

Measured on the model's known errors: the share that reviewers accept when its answer is shown from
the start, less the share when they answer without it. Being shown it is drawn at random, so nothing
else differs (automation bias: Goddard et al. 2012).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.domain.accuracy import Estimate, difference

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many of a model's known errors people called right."""

    errors: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """The bias as measured last, and since when answers are therefore shown later."""

    shown: Accepted
    blind: Accepted
    at_most: float
    at: datetime
    fallen_back_at: datetime | None = None

    @property
    def bias(self) -> Estimate | None:
        """The difference of the two shares with its 95 % interval; None without errors of either.

        >>> found = Standing(Accepted(40, 20), Accepted(40, 4), 0.1, datetime(2026, 1, 1)).bias
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (0.4, 0.2, 0.56)
        """
        if not self.shown.errors or not self.blind.errors:
            return None
        one, other = self.shown, self.blind
        return difference((one.accepted, one.errors), (other.accepted, other.errors))

    @property
    def bounds(self) -> Mapping[str, float]:
        """The bias and its interval by name; empty if it is not known."""
        found = self.bias
        return {"estimate": found.value, "low": found.low, "high": found.high} if found else {}

    @property
    def has_fallen_back(self) -> bool:
        """Whether its answer is shown after the reviewer's own, whatever the plan says."""
        return self.fallen_back_at is not None

    @property
    def is_beyond(self) -> bool:
        """Whether the bias is shown to be beyond the limit."""
        return self.bias is not None and self.bias.low > self.at_most

    @property
    def sentence(self) -> str:
        """What was measured, and what follows, for a person."""
        found = self.bias
        if found is None:
            return (
                "automation bias: not measured yet; it takes errors of the model that reviewers "
                "met with its answer shown, and others that they met without it"
            )
        said = (
            f"automation bias: reviewers accept {_of(self.shown)} of the model's errors when its "
            f"answer is shown and {_of(self.blind)} when it is not, a difference of "
            f"{_points(found.value)} ({_points(found.low)} to {_points(found.high)})"
        )
        limit = f"the limit of {_points(self.at_most)}"
        if self.is_beyond:
            return f"{said}, beyond {limit}: its answer is shown after the reviewer's own"
        return f"{said}, not shown to be beyond {limit}"


def stand(
    shown: Accepted, blind: Accepted, at_most: float, now: datetime, before: Standing | None
) -> Standing:
    """Fall back while the bias is shown to be beyond the limit, and return by the same rule."""
    found = Standing(shown, blind, at_most, now)
    if not found.is_beyond:
        return found
    since = before.fallen_back_at if before else None
    return Standing(shown, blind, at_most, now, since or now)


def _of(some: Accepted) -> str:
    return f"{some.accepted} of {some.errors}"


def _points(share: float) -> str:
    return f"{100 * share:.0f} points"
