"""What differs between two records, leaf by leaf."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf of two nested records that is not the same; None where it is not there."""

    place: str
    first: Any
    second: Any


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every leaf that differs, in the order of the first record, then what only the second has.

    Records within records are compared by their names, lists place by place.

    >>> [d.place for d in differences({"a": {"b": 1, "c": [2]}}, {"a": {"b": 1, "c": [3]}})]
    ['a.c[0]']
    """
    return tuple(_walk(first, second, ""))


def _walk(one: Any, other: Any, place: str) -> Iterator[Difference]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        dot = "." if place else ""
        for name in dict.fromkeys((*one, *other)):
            yield from _walk(one.get(name), other.get(name), f"{place}{dot}{name}")
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        for number, (left, right) in enumerate(zip_longest(one, other)):
            yield from _walk(left, right, f"{place}[{number}]")
    elif one != other:
        yield Difference(place, one, other)
