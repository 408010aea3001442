"""What the controller does for a live version whose plan says `watch`: harm takes it back."""

from collections.abc import Iterator
from datetime import datetime

from registry.domain.decision import Judgement, RollBack
from registry.domain.news import Event, News
from registry.domain.rollout import Rollout
from registry.domain.transitions import complete
from registry.ports import UnitOfWork
from registry.services.control import take_back
from registry.services.judge import GateMemory, Looked, judge
from registry.services.keep_sight import keep_sight
from registry.services.promote import summary
from registry.services.record import CONTROLLER, record, said_before, say


def watch_finds(
    unit: UnitOfWork, rollout: Rollout, now: datetime, memory: GateMemory | None = None
) -> tuple[Looked, bool]:
    """What the gates say of a watched version, and whether there is anything to do; only reads."""
    memory = memory or GateMemory()
    judgement = judge(unit, rollout, now, memory)
    harm = isinstance(judgement.decision, RollBack)
    over = rollout.watched_until is not None and now >= rollout.watched_until
    looked = Looked(rollout, judgement, sight=memory.sight(rollout) if harm else None)
    return looked, harm or over or any(_shifts(unit, rollout, judgement))


def watch(
    unit: UnitOfWork, model: str, now: datetime, seen: Looked | None = None
) -> Rollout | None:
    """Take the live version back on harm, else end its watch in time; None if it stays as it is.

    Harm comes first: what the last minute of the watch has shown still counts. seen: what a look
    found that kept nobody from writing; nothing is done if it holds no longer.
    """
    unit.routing_clock.tick()  # first, as in `record`: what is read below stays true
    rollout = unit.rollouts.live(model)
    if rollout is None or rollout.watched_until is None:
        return None
    if seen is not None and not seen.holds(rollout):
        return None
    seen = seen or watch_finds(unit, rollout, now)[0]
    judgement = seen.judgement
    if isinstance(judgement.decision, RollBack):
        reason = "; ".join(judgement.decision.reasons)
        kept = keep_sight(unit, seen.sight)
        detail = {"reason": reason, **summary(judgement), "cause": "harm", **kept}
        return take_back(unit, rollout, CONTROLLER, now, detail)
    if now >= rollout.watched_until:
        reason = f"{model}@{rollout.version} was watched to the end without harm"
        detail = {"reason": reason, **summary(judgement)}
        return record(unit, rollout, complete(rollout, now), CONTROLLER, "completed", now, detail)
    for cause, news in _shifts(unit, rollout, judgement):
        say(unit, rollout, news, cause, now, summary(judgement))
    return None


def _shifts(unit: UnitOfWork, rollout: Rollout, judgement: Judgement) -> Iterator[tuple[str, News]]:
    """What people are to look at.

    A domain shift is no harm by itself: the version before would meet the same inputs. Of a gate
    that only pauses a candidate the plan says the same.
    """
    name = f"{rollout.model}@{rollout.version}"
    for gate in (*judgement.stale, *judgement.doubtful):
        cause = gate.cause("under watch")
        if not said_before(unit, rollout, Event.HELD, cause):
            sentence = f"{name} stays live and needs a look: {gate.result.sentence}"
            yield cause, News(Event.HELD, sentence)
