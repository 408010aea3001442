"""Which segment an answer belongs to: the values of an attribute, as they first came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SEGMENTS_AT_MOST = 50


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
class SegmentIndex:
    """The segments of one attribute: those that were expected, then others as they first came.

    Beyond SEGMENTS_AT_MOST the others are one segment: an attribute with a value for each request
    says nothing one by one.
    """

    name: str
    most: int = SEGMENTS_AT_MOST
    codes: Mapping[Segment, int] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, expected: Sequence[str] = ()) -> "SegmentIndex":
        """The index of an attribute before any answer."""
        values = enumerate(dict.fromkeys(expected))
        codes = {Segment(name, value): code for code, value in values}
        return cls(name, max(SEGMENTS_AT_MOST, len(codes)), codes)

    def place(self, values: Sequence[str | None]) -> tuple["SegmentIndex", npt.NDArray[np.intp]]:
        """The segment of each of these values, which come next, and the index that knows them."""
        codes = dict(self.codes)
        known: dict[str | None, int] = {s.value: code for s, code in codes.items() if not s.rest}
        rest = Segment(self.name, rest=True)
        column = np.empty(len(values), dtype=np.intp)
        for i, value in enumerate(values):
            code = known.get(value)
            if code is None:
                single = value is None or len(codes) < self.most
                code = codes.setdefault(Segment(self.name, value) if single else rest, len(codes))
                if single:
                    known[value] = code
            column[i] = code
        return SegmentIndex(self.name, self.most, codes), column
