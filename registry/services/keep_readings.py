"""Keep how far each gate has come, for charts: only what is new, and a bounded number of points."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from registry.domain.gates import Judged
from registry.domain.readings import Reading, Series, differs, extended, read
from registry.domain.rollout import Rollout
from registry.ports import UnitOfWork

Key = tuple[str, str | None, int]


class ReadingMemory:
    """The last reading of each gate that this process has kept: most looks then write nothing."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, dict[Key, Reading]]] = {}

    def news(self, rollout: Rollout, gates: Sequence[Judged], now: datetime) -> tuple[Series, ...]:
        """What the gates say that is worth a point; it counts as kept from now on."""
        place = f"{rollout.id} {rollout.stage}"
        known, last = self._last.get(rollout.model, ("", {}))
        last = last if known == place else {}
        new = [one for one in read(gates, now) if differs(one.readings[0], last.get(one.key))]
        self._last[rollout.model] = place, last | {one.key: one.readings[0] for one in new}
        return tuple(new)


def keep_readings(unit: UnitOfWork, rollout: Rollout, new: Sequence[Series]) -> None:
    """Add them to what is kept; a process that has just begun does not repeat the last point."""
    before = {one.key: one.readings for one in unit.readings.of(rollout.id, rollout.stage)}
    for series in new:
        readings = before.get(series.key, ())
        if not readings or differs(series.readings[0], readings[-1]):
            longer = replace(series, readings=extended(readings, series.readings[0]))
            unit.readings.put(rollout.id, rollout.stage, longer)
