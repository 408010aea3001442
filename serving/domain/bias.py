"""Whether reviewers follow a model's answer because they see it, and what follows from that.

Measured on errors of the model that a second person found without seeing its answer: the share that
the first person accepted when it was shown from the start, less the share when it was not. Which of
the two is drawn for each item, and items are compared with their like, so nothing else differs
(automation bias: Goddard et al. 2012).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.domain.accuracy import Estimate
from serving.domain.stratified import common_difference

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many of a model's known errors people called right."""

    errors: int = 0
    accepted: int = 0

    def __add__(self, other: "Accepted") -> "Accepted":
        return Accepted(self.errors + other.errors, self.accepted + other.accepted)


@dataclass(frozen=True, slots=True)
class Trials:
    """Errors on items of one kind, where the model's answer was shown and where it was not."""

    shown: Accepted = Accepted()
    blind: Accepted = Accepted()

    @property
    def compare(self) -> bool:
        """Whether there are errors of either."""
        return bool(self.shown.errors and self.blind.errors)


@dataclass(frozen=True, slots=True)
class Standing:
    """The bias as measured last, and since when answers are therefore shown later.

    trials: one for each kind of item.
    """

    trials: tuple[Trials, ...]
    at_most: float
    at: datetime
    fallen_back_at: datetime | None = None

    @property
    def shown(self) -> Accepted:
        """All that is compared where its answer was shown."""
        return sum((each.shown for each in self.trials if each.compare), Accepted())

    @property
    def blind(self) -> Accepted:
        """All that is compared where it was not."""
        return sum((each.blind for each in self.trials if each.compare), Accepted())

    @property
    def bias(self) -> Estimate | None:
        """The difference of the two shares with its 95 % interval; None without errors of either.

        >>> some = (Trials(Accepted(40, 20), Accepted(40, 4)),)
        >>> found = Standing(some, 0.1, datetime(2026, 1, 1)).bias
        >>> round(found.value, 2), round(found.low, 2), round(found.high, 2)
        (0.4, 0.2, 0.56)
        """
        return common_difference(
            [
                ((each.shown.accepted, each.shown.errors), (each.blind.accepted, each.blind.errors))
                for each in self.trials
            ]
        )

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
                "automation bias: not measured yet; it takes errors of the model that one person "
                "met with its answer shown or hidden, some of either, and a second one found "
                "without seeing it"
            )
        said = (
            f"automation bias: of the model's errors that a second person found, reviewers "
            f"accepted {_of(self.shown)} when its answer was shown and {_of(self.blind)} when it "
            f"was not; among items alike the difference is {_points(found.value)} "
            f"({_points(found.low)} to {_points(found.high)})"
        )
        limit = f"the limit of {_points(self.at_most)}"
        if self.is_beyond:
            return f"{said}, beyond {limit}: its answer is shown after the reviewer's own"
        return f"{said}, not shown to be beyond {limit}"


def stand(
    trials: Sequence[Trials], at_most: float, now: datetime, before: Standing | None
) -> Standing:
    """Fall back while the bias is shown to be beyond the limit, and return by the same rule."""
    found = Standing(tuple(trials), at_most, now)
    if not found.is_beyond:
        return found
    since = before.fallen_back_at if before else None
    return Standing(found.trials, at_most, now, since or now)


def _of(some: Accepted) -> str:
    return f"{some.accepted} of {some.errors}"


def _points(share: float) -> str:
    return f"{100 * share:.0f} points"
