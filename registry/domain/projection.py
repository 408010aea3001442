"""What MLflow is to show of a model's rollouts, and what others have made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.domain.stages import Stage

LIVE, CANDIDATE = "live", "candidate"
ALIASES = (LIVE, CANDIDATE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A model as MLflow shows it: versions by alias, and the stage tag of each version, if any."""

    aliases: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[int, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MovedAlias:
    """An alias of ours that points somewhere else; None: nowhere."""

    alias: str
    found: int | None
    expected: int | None

    def __str__(self) -> str:
        return f"the alias {self.alias} {_to(self.found)} instead of {_version(self.expected)}"


@dataclass(frozen=True, slots=True)
class MovedStage:
    """A version whose stage tag says something else."""

    version: int
    found: str | None
    expected: Stage

    def __str__(self) -> str:
        says = f"says {self.found}" if self.found else "is gone"
        return f"the stage tag of version {self.version} {says} instead of {self.expected}"


Moved = MovedAlias | MovedStage


def moves(
    live: int | None, candidate: int | None, stages: Mapping[int, Stage], found: Shown
) -> tuple[Moved, ...]:
    """What others have moved; other aliases and tags are nobody's business here.

    A version that MLflow no longer has is no move: there is nothing to put back.
    """
    expected = {LIVE: live, CANDIDATE: candidate}
    aliases = (MovedAlias(name, found.aliases.get(name), expected[name]) for name in ALIASES)
    tags = (
        MovedStage(version, found.stages[version], stage)
        for version, stage in sorted(stages.items())
        if version in found.stages
    )
    return (
        *(move for move in aliases if move.found != move.expected),
        *(move for move in tags if move.found != move.expected),
    )


def _to(version: int | None) -> str:
    return "points nowhere" if version is None else f"points at version {version}"


def _version(version: int | None) -> str:
    return "nowhere" if version is None else f"version {version}"
