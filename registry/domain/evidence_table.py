"""A stage's answers as columns: what error rates are counted from, for 100,000 rows at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

SEGMENTS_AT_MOST = 50


class Standing(IntEnum):
    """Where the verdict on one answer stands at one moment."""

    NOT_SAMPLED = 0
    CORRECT = 1
    ERROR = 2
    PENDING = 3
    OVERDUE = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """The answers with one value of an attribute; without a value, those that lack it.

    rest: the answers with any value beyond those that are looked at one by one.
    """

    name: str
    value: str | None = None
    rest: bool = False

    @property
    def none_given(self) -> bool:
        """Whether these are the answers that lack the attribute."""
        return self.value is None and not self.rest

    def __str__(self) -> str:
        if self.rest:
            return f"{self.name}: all others"
        return f"{self.name}: none given" if self.none_given else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """n answers in prediction order.

    standings (n,) of Standing. chances (n,): each answer's probability of review. steps (n,): the
    step of gradual in which it was given. segments: per attribute, the n values, None if absent.
    """

    standings: npt.NDArray[np.int8]
    chances: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int32]
    segments: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.standings)

    def where(self, chosen: npt.NDArray[np.intp]) -> "EvidenceTable":
        """The rows at these positions, without their segments."""
        return EvidenceTable(self.standings[chosen], self.chances[chosen], self.steps[chosen])

    def by_segment(self, name: str, expected: Sequence[str] = ()) -> dict[Segment, "EvidenceTable"]:
        """Each segment of an attribute: the expected ones, then others as they first came.

        Beyond SEGMENTS_AT_MOST the others are one segment: an attribute with a value for each
        request says nothing one by one.
        """
        values = enumerate(dict.fromkeys(expected))
        codes: dict[Segment, int] = {Segment(name, value): code for code, value in values}
        rest = Segment(name, rest=True)
        most = max(SEGMENTS_AT_MOST, len(codes))
        column = np.empty(len(self), dtype=np.intp)
        known: dict[str | None, int] = {segment.value: code for segment, code in codes.items()}
        for i, value in enumerate(self.segments[name]):
            code = known.get(value)
            if code is None:
                single = value is None or len(codes) < most
                segment = Segment(name, value) if single else rest
                code = known[value] = codes.setdefault(segment, len(codes))
            column[i] = code
        order = np.argsort(column, kind="stable")
        ends = np.searchsorted(column[order], np.arange(len(codes) + 1))
        return {
            segment: self.where(order[ends[code] : ends[code + 1]])
            for segment, code in codes.items()
        }
