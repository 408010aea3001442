"""Which segment an answer belongs to: the values of an attribute, as they first came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

SEGMENTS_AT_MOST = 50
_Counts = TypeVar("_Counts")


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
class Values:
    """A column of n values, each distinct one kept once; codes: (n,) where in `distinct` it is."""

    codes: npt.NDArray[np.int32]
    distinct: tuple[str | None, ...]

    @classmethod
    def of(cls, values: Sequence[str | None]) -> "Values":
        """These values."""
        places = {value: place for place, value in enumerate(dict.fromkeys(values))}
        codes = np.fromiter((places[value] for value in values), np.int32, len(values))
        return cls(codes, tuple(places))

    def __len__(self) -> int:
        return len(self.codes)

    def where(self, chosen: Any) -> "Values":
        """The values at these positions."""
        kept = Values(self.codes[chosen], self.distinct)
        many = len(kept.distinct) > 100 + 2 * len(kept)
        return Values.of(kept.listed()) if many else kept

    def followed_by(self, other: "Values") -> "Values":
        """These values, then the others."""
        places = {value: place for place, value in enumerate(self.distinct)}
        new = [places.setdefault(value, len(places)) for value in other.distinct]
        codes = np.array(new, np.int32)[other.codes] if new else other.codes
        return Values(np.concatenate([self.codes, codes]), tuple(places))

    def listed(self) -> list[str | None]:
        """The values one by one."""
        return [self.distinct[code] for code in self.codes.tolist()]


def numbered(
    found: Mapping[str, Mapping[Segment, _Counts]],
) -> Iterator[tuple[int, Segment, _Counts]]:
    """The segments of all attributes, each with the number of tests that it has to pay for.

    Harm in any of them is sought at E >= tests / alpha. The j-th value of an attribute, as they
    first came, pays for A j (j + 1) tests of A attributes, and all answers together for 2: over all
    values that may ever come that spends alpha once, and no value's number ever changes.
    """
    for values in found.values():
        for j, (segment, counts) in enumerate(values.items(), start=2):
            yield len(found) * j * (j + 1), segment, counts


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

    def place(self, values: Values) -> tuple["SegmentIndex", npt.NDArray[np.intp]]:
        """The segment of each of these values, which come next, and the index that knows them."""
        codes = dict(self.codes)
        rest = Segment(self.name, rest=True)
        places = np.zeros(len(values.distinct), np.intp)
        present, first = np.unique(values.codes, return_index=True)
        for place in present[np.argsort(first)].tolist():
            value = values.distinct[place]
            segment = Segment(self.name, value)
            if segment not in codes and value is not None and len(codes) >= self.most:
                segment = rest
            places[place] = codes.setdefault(segment, len(codes))
        return SegmentIndex(self.name, self.most, codes), places[values.codes]
