"""How far the evidence of each gate has come over time: what charts are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.gates import Judged

MOST_POINTS = 240
MOST_SERIES = 60
_LEAST_CHANGE = 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """One gate at one moment.

    for_pass, for_harm: the logarithm of its e-value as a part of what is needed, so that 1 is the
    threshold and 0 is where every bet begins; None where a gate makes no such bet.
    """

    at: datetime
    verdict: str
    for_pass: float | None = None
    for_harm: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The readings of one gate in one stage, or of one segment of it; `nth` of those alike."""

    type: str
    segment: str | None
    nth: int
    readings: tuple[Reading, ...]

    @property
    def key(self) -> tuple[str, str | None, int]:
        """What tells it from the others of its stage."""
        return self.type, self.segment, self.nth


def read(gates: Sequence[Judged], now: datetime) -> tuple[Series, ...]:
    """A reading of every gate, each as the beginning of a series."""
    seen: dict[tuple[str, str | None], int] = {}
    found = []
    for gate in gates[:MOST_SERIES]:
        segment = None if gate.segment is None else str(gate.segment)
        nth = seen[gate.type, segment] = seen.get((gate.type, segment), -1) + 1
        numbers = gate.result.numbers
        shares = _share(numbers, "pass"), _share(numbers, "harm")
        reading = Reading(now, gate.result.verdict, *shares)
        found.append(Series(gate.type, segment, nth, (reading,)))
    return tuple(found)


def differs(reading: Reading, last: Reading | None) -> bool:
    """Whether a reading says anything that the last one did not."""
    if last is None or reading.verdict != last.verdict:
        return True
    pairs = ((reading.for_pass, last.for_pass), (reading.for_harm, last.for_harm))
    return any(abs((new or 0.0) - (old or 0.0)) >= _LEAST_CHANGE for new, old in pairs)


def extended(readings: Sequence[Reading], new: Reading) -> tuple[Reading, ...]:
    """The readings with one more; when there are too many, every second of the older ones goes."""
    if len(readings) >= MOST_POINTS:
        readings = readings[::2]
    return (*readings, new)


def _share(numbers: Mapping[str, Any], side: str) -> float | None:
    log_e, needed = numbers.get(f"log_e_{side}"), numbers.get(f"log_e_{side}_needed")
    if not isinstance(log_e, int | float) or not isinstance(needed, int | float) or needed <= 0:
        return None
    return round(log_e / needed, 4)
