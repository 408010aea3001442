"""What answering needs of the world."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from registry.domain.errors import Unavailable
from registry.domain.traffic import WRITTEN_WITHIN_SECONDS
from serving.ports import Fleet, Ledger, Measurements, Payloads
from serving.services.aside import Aside
from serving.services.later import Later
from serving.services.run import Patience


@dataclass(frozen=True, slots=True)
class Predicting:
    """The parts; `later` runs shadows behind the answers."""

    fleet: Fleet
    ledger: Ledger
    payloads: Payloads
    measurements: Measurements
    clock: Callable[[], datetime]
    draw: Callable[[], float]
    new_id: Callable[[datetime], str]
    storing: Aside
    later: Later
    patience: Patience = field(default_factory=Patience)


def in_time(world: Predicting, now: datetime) -> None:
    """Unavailable if so much time has passed since `now` that readers count on all being there."""
    passed = (world.clock() - now).total_seconds()
    if passed > WRITTEN_WITHIN_SECONDS:
        raise Unavailable(
            f"This request was under way for {passed:.0f} s, longer than the "
            f"{WRITTEN_WITHIN_SECONDS:g} s within which an answer can be stored; nothing of it was "
            "stored; try again shortly."
        )
