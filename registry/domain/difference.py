"""What differs between two records, leaf by leaf."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf of two nested records that is not the same; None where it is not there."""

    place: str
    first: Any
    second: Any


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Every leaf that differs, in the order of the first record, then what only the second has.

    Records within records are compared by their names; lists as a whole, since order matters.

    >>> [d.place for d in differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})]
    ['a.c']
    """
    return tuple(_walk(first, second, ""))


def _walk(first: Mapping[str, Any], second: Mapping[str, Any], inside: str) -> Iterator[Difference]:
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        place = f"{inside}{name}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _walk(one, other, f"{place}.")
        elif one != other:
            yield Difference(place, one, other)
