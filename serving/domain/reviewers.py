"""What a reviewer's answers say of the reviewer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from serving.domain.accuracy import Estimate, wilson
from serving.domain.agreement import Agreement, cohen_kappa


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of one reviewer's work.

    last_hour: answers of the last hour. holds: items before them now. settled: answers to items
    that two people agreed on or a lead judged, of which `overturned` came out otherwise. gold:
    items of known truth answered, of which `gold_right` rightly. seconds: how long answers took.
    """

    decisions: int = 0
    last_hour: int = 0
    holds: int = 0
    settled: int = 0
    overturned: int = 0
    gold: int = 0
    gold_right: int = 0
    seconds: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One reviewer, as leads see them; others see themselves without `gold`.

    agreement: of their first answers with others' first answers to the same items.
    """

    name: str
    decisions: int
    decisions_per_hour: int
    holds: int
    median_seconds: float | None
    overturned: Estimate | None
    agreed: Estimate | None
    kappa: Agreement | None
    gold: Estimate | None


def reviewers(
    work: Mapping[str, Work], items: Iterable[Sequence[tuple[str, str]]]
) -> tuple[Reviewer, ...]:
    """Everybody, by name; items: reviewer and first label of each opinion on one item.

    >>> found = reviewers({"ann": Work(decisions=3, seconds=[2, 9, 4])}, [])
    >>> found[0].median_seconds
    4
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    for opinions in items:
        for place, (name, label) in enumerate(opinions):
            others = (said for i, (_, said) in enumerate(opinions) if i != place)
            pairs.setdefault(name, []).extend((label, said) for said in others)
    names = sorted(work.keys() | pairs.keys())
    return tuple(_reviewer(name, work.get(name, Work()), pairs.get(name, [])) for name in names)


def _reviewer(name: str, work: Work, pairs: Sequence[tuple[str, str]]) -> Reviewer:
    return Reviewer(
        name=name,
        decisions=work.decisions,
        decisions_per_hour=work.last_hour,
        holds=work.holds,
        median_seconds=median(work.seconds) if work.seconds else None,
        overturned=share(work.overturned, work.settled),
        agreed=share(sum(one == other for one, other in pairs), len(pairs)),
        kappa=cohen_kappa(pairs),
        gold=share(work.gold_right, work.gold),
    )


def share(of: int, n: int) -> Estimate | None:
    """A share with its interval; None of nothing."""
    return wilson(float(of), float(n)) if n else None
