"""How often a model is right and how far its reviewers agree, by version or by queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from serving.domain.accuracy import Known
from serving.domain.quality import Accuracy, Agreeing, Stratum, accuracy, agreeing

T = TypeVar("T")
Group = tuple[int | None, str, str]  # version, stage, queue
Unit = Sequence[tuple[str, str]]  # of one item: reviewer and label of each opinion
_Key = tuple[int | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Quality:
    """One version in one stage, or one queue, with its estimates."""

    version: int | None
    stage: str | None
    queue: str | None
    accuracy: Accuracy
    agreement: Agreeing


def by_version(
    strata: Mapping[Group, Sequence[Stratum]],
    opinions: Mapping[Group, Sequence[Unit]],
    known: Known,
) -> tuple[Quality, ...]:
    """Every version in every stage, the newest first; all queues together review its answers."""
    return _by(strata, opinions, known, lambda group: (group[0], group[1], None))


def by_queue(
    strata: Mapping[Group, Sequence[Stratum]],
    opinions: Mapping[Group, Sequence[Unit]],
    known: Known,
) -> tuple[Quality, ...]:
    """Every queue, over all versions: work and audit review different answers."""
    return _by(strata, opinions, known, lambda group: (None, None, group[2]))


def _by(
    strata: Mapping[Group, Sequence[Stratum]],
    opinions: Mapping[Group, Sequence[Unit]],
    known: Known,
    key: Callable[[Group], _Key],
) -> tuple[Quality, ...]:
    drawn, units = _together(strata, key), _together(opinions, key)
    return tuple(
        Quality(
            *each,
            accuracy(drawn[each], known),
            agreeing([[label for _, label in unit] for unit in units.get(each, ())]),
        )
        for each in sorted(drawn, key=lambda one: (-(one[0] or 0), one[1] or "", one[2] or ""))
    )


def _together(
    found: Mapping[Group, Sequence[T]], key: Callable[[Group], _Key]
) -> Mapping[_Key, list[T]]:
    gathered: dict[_Key, list[T]] = {}
    for group, some in found.items():
        gathered.setdefault(key(group), []).extend(some)
    return gathered
