"""Everything that happened to an item, as JSON for whoever asks."""

from dataclasses import asdict, dataclass
from typing import Any

from registry.domain.people import Identity
from serving.adapters.rows import label_out
from serving.api.review_shapes import item, moment
from serving.domain.opinions import Event, Opinion
from serving.domain.prediction import Prediction
from serving.domain.replay import Replay, replay
from serving.domain.review import Item, Queue, Task
from serving.domain.timeline import Entry, timeline


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of an item: prediction is None for gold; excluded: who had a say in it."""

    task: Task
    opinions: tuple[Opinion, ...]
    events: tuple[Event, ...]
    prediction: Prediction | None
    excluded: frozenset[str]


def document(record: Record, who: Identity) -> dict[str, Any]:
    """All of it; what others said only to whom it cannot sway."""
    task, found = record.task, record.task.item
    final = found.is_final
    told = final or who.name in record.excluded or (who.lead and task.slot.queue is Queue.LEAD)
    gold = {"of": found.gold.of, "truth": label_out(found.gold.truth)} if found.gold else None
    entries = timeline(found, record.opinions, record.events, record.prediction)
    return {
        **item(task, 0, who.name),
        "opinions_required": found.opinions if told else None,
        # That of a gold item comes from its id: until it is final, it would tell gold from audit.
        "random_number": found.random_number if final else None,
        "inclusion_probability": found.inclusion_probability,
        "outcome": label_out(found.outcome),
        "source": found.source,
        "decided_at": moment(found.decided_at),
        "gold": gold if final and who.lead else None,
        "model_answer": label_out(found.model_answer) if told else None,
        "decisions": [
            _opinion(one, found, told=told or one.reviewer == who.name) for one in record.opinions
        ],
        "events": [
            {"at": moment(one.at), "actor": one.actor, "action": one.action, **_detail(one, told)}
            for one in record.events
        ],
        "timeline": [_entry(one, told=told or one.actor == who.name) for one in entries],
    }


def _opinion(one: Opinion, found: Item, *, told: bool) -> dict[str, Any]:
    said = {"label": one.label, "comment": one.comment} if told else {}
    return {
        "id": one.id,
        "slot": one.slot,
        "queue": one.queue.value,
        "reviewer": one.reviewer,
        **said,
        "counted": one.counted,
        "informed": one.informed,
        "supersedes": one.supersedes,
        "bulk": one.bulk,
        "seconds": one.seconds,
        "seen": one.seen,
        "screen": _screen(replay(found, one), told=told),
        "decided_at": moment(one.decided_at),
    }


def _screen(screen: Replay, *, told: bool) -> dict[str, Any]:
    """What the reviewer had before them; the model's answer only for whom it cannot sway."""
    shown = screen.model_answer is not None
    return {
        **asdict(screen),
        "model_answer": screen.model_answer if told else None,
        "model_answer_shown": shown,
    }


def _entry(one: Entry, *, told: bool) -> dict[str, Any]:
    """A comment or a reason may say what somebody thinks the answer is."""
    label = {"label": one.said} if one.has_label and told else {}
    detail = {} if one.is_private and not told else dict(one.detail)
    return {
        "at": moment(one.at),
        "actor": one.actor,
        "action": one.action,
        **label,
        "detail": detail,
    }


def _detail(one: Event, told: bool) -> dict[str, Any]:
    return {"detail": dict(one.detail) if told else {}}
