"""The stages that a version goes through before it is trusted."""

from enum import StrEnum


class Stage(StrEnum):
    """Where a version stands; `paused` is a property of a rollout, not a place."""

    REGISTERED = "registered"
    MANUAL_REVIEW = "manual-review"
    LIMITED_SCOPE = "limited-scope"
    GRADUAL = "gradual"
    LIVE = "live"
    RETAINED = "retained"  # was live until another version took over
    REJECTED = "rejected"  # taken out for good; it cannot be tried again
    ROLLED_BACK = "rolled-back"
    EXPIRED = "expired"  # nobody acted before the deadline

    @property
    def words(self) -> str:
        """As it reads in a sentence: `manual review`, `rolled back`."""
        return self.value.replace("-", " ")


ACTIVE = frozenset({Stage.MANUAL_REVIEW, Stage.LIMITED_SCOPE, Stage.GRADUAL})
ENDED = frozenset({Stage.RETAINED, Stage.REJECTED, Stage.ROLLED_BACK, Stage.EXPIRED})
