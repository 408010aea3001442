"""Which version of a model answered at a moment, told from the audit log alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from registry.domain.evidence import AuditEvent
from registry.domain.stages import ACTIVE, Stage


@dataclass(frozen=True, slots=True)
class Stood:
    """Where a version stood, since when, and the number of the event that says so."""

    version: int
    stage: Stage
    weight: float
    since: datetime
    event: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What was live at a moment, and what was a candidate."""

    model: str
    at: datetime
    live: Stood | None
    candidate: Stood | None

    @property
    def sentence(self) -> str:
        """The same for people."""
        live, candidate = self.live, self.candidate
        said = f"At {self.at:%Y-%m-%d %H:%M} UTC no version of {self.model} was live"
        if live is not None:
            said = f"At {self.at:%Y-%m-%d %H:%M} UTC {self._named(live)} was live, {_since(live)}"
        if candidate is None:
            return f"{said}."
        share = f" at {candidate.weight:g} %" if candidate.stage is Stage.GRADUAL else ""
        where = f"in {candidate.stage.words}{share}, {_since(candidate)}"
        return f"{said}; {self._named(candidate)} was a candidate {where}."

    def _named(self, stood: Stood) -> str:
        return f"{self.model}@{stood.version}"


def standing_at(model: str, events: Iterable[AuditEvent], at: datetime) -> Standing:
    """How a model stood at a moment, from its events in the order of the log."""
    stood: dict[int, Stood] = {}
    for event in events:
        if event.at > at:
            continue
        to = event.detail.get("to")
        if isinstance(to, dict) and event.version is not None:
            stood[event.version] = _stood(event, event.version, to)
        elif event.action == "aborted":  # of what was live without a rollout
            stood = {v: one for v, one in stood.items() if one.stage is not Stage.LIVE}
    last = sorted(stood.values(), key=lambda one: one.event)
    live = [one for one in last if one.stage is Stage.LIVE]
    active = [one for one in last if one.stage in ACTIVE]
    return Standing(model, at, live[-1] if live else None, active[-1] if active else None)


def _stood(event: AuditEvent, version: int, to: dict[str, Any]) -> Stood:
    return Stood(version, Stage(to["stage"]), float(to["weight"]), event.at, event.sequence)


def _since(stood: Stood) -> str:
    return f"since {stood.since:%Y-%m-%d %H:%M} UTC (event {stood.event})"
