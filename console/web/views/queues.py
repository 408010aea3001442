"""The review queues as a page shows them: how much waits, why, for how long, and with whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import (
    NONE,
    Chip,
    Moment,
    duration,
    mapping,
    moment,
    number,
    parse_time,
    sequence,
    stage_chip,
    version,
    words,
)
from console.web.views.quality import Range, share_range

# The tabs of the list, and the states of the API that each of them shows.
STATES = {
    "open": ("leased", "ready", "snoozed", "closing"),
    "decided": ("decided",),
    "cancelled": ("cancelled",),
}
_STATE_TONES = {
    "ready": "warn",
    "leased": "busy",
    "snoozed": "plain",
    "closing": "busy",
    "decided": "good",
    "cancelled": "plain",
}
_STATE_NAMES = {"ready": "waits", "leased": "in review", "closing": "answered, can be undone"}


@dataclass(frozen=True, slots=True)
class Queue:
    """How much there is to review."""

    open: str
    oldest: str
    held: str
    decided: str
    by_reason: tuple[tuple[str, str, str], ...]  # name, count, width of its bar in percent


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue of one model."""

    model: str
    name: str
    url: str
    waiting: str
    oldest: str
    due_within_hour: str
    overdue: str
    in_review: str
    per_hour: str
    fallback: Range
    gold: Range


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One row of the list."""

    id: str
    model: str
    version: str
    stage: Chip
    state: Chip
    reasons: str
    holder: str
    epoch: int
    release_url: str  # where a lead frees it; empty if nobody has it
    waiting: Moment | None
    due: Moment | None
    overdue: bool

    @property
    def url(self) -> str:
        """Its history."""
        return f"/review/items/{quote(self.id, safe='')}"


@dataclass(frozen=True, slots=True)
class QueuesPage:
    """Everything the page of the queues shows."""

    queue: Queue
    items: tuple[QueueItem, ...]
    take: tuple[tuple[str, str], ...]  # model, address of its review page
    state: str
    rows: tuple[QueueRow, ...] = ()
    states: tuple[str, ...] = tuple(STATES)


def queues_page(
    stats: Mapping[str, Any],
    items: Sequence[Mapping[str, Any]],
    models: tuple[str, ...],
    state: str,
    now: datetime,
    queues: Mapping[str, Any] | None = None,
) -> QueuesPage:
    """The page of the counts, of each model's queues, and of the items in one state."""
    rows = tuple(_item(each, now) for each in items)
    take = tuple((model, f"/review?model={quote(model, safe='')}") for model in models)
    each = tuple(queue_row(mapping(one)) for one in sequence((queues or {}).get("queues")))
    return QueuesPage(queue(stats), rows, take, state, each)


def queue_row(one: Mapping[str, Any]) -> QueueRow:
    """How one queue stands."""
    oldest, model = one.get("oldest_seconds"), str(one["model"])
    return QueueRow(
        model=model,
        name=str(one["queue"]),
        url=f"/review?model={quote(model, safe='')}",
        waiting=number(one.get("waiting") or 0),
        oldest=NONE if oldest is None else duration(oldest),
        due_within_hour=number(one.get("due_within_hour") or 0),
        overdue=number(one.get("overdue") or 0),
        in_review=number(one.get("in_review") or 0),
        per_hour=number(one.get("decisions_per_hour") or 0),
        fallback=share_range(one.get("fallback")),
        gold=share_range(one.get("gold")),
    )


def queue(stats: Mapping[str, Any]) -> Queue:
    """The counts of the queue."""
    oldest = stats.get("oldest_seconds")
    reasons = {str(code): int(n) for code, n in mapping(stats.get("by_reason")).items()}
    most = max(reasons.values(), default=0) or 1
    return Queue(
        open=number(stats.get("open") or 0),
        oldest=duration(oldest) if oldest and stats.get("open") else NONE,
        held=number(stats.get("held") or 0),
        decided=number(stats.get("decided") or 0),
        by_reason=tuple(
            (words(code), number(count), f"{100 * count / most:.1f}")
            for code, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
        ),
    )


def state_chip(state: object) -> Chip:
    """Where an item stands."""
    name = str(state or "")
    return Chip(_STATE_NAMES.get(name, name or NONE), _STATE_TONES.get(name, "plain"))


def _item(item: Mapping[str, Any], now: datetime) -> QueueItem:
    state = str(item.get("state") or "")
    due = parse_time(item.get("due_at"))
    held = state in {"leased", "snoozed"} and item.get("holder")
    return QueueItem(
        id=str(item["id"]),
        model=str(item.get("model") or ""),
        version=version(item.get("version")),
        stage=stage_chip(item.get("stage")),
        state=state_chip(state),
        reasons=", ".join(
            words(mapping(each).get("code")) for each in sequence(item.get("reasons"))
        ),
        holder=str(item.get("holder") or "") if state != "ready" else "",
        epoch=int(item.get("epoch") or 0),
        release_url=f"/review/{quote(str(item['id']), safe='')}/release" if held else "",
        waiting=moment(item.get("waiting_since"), now),
        due=moment(item.get("due_at"), now),
        overdue=due is not None and due < now and state in {"ready", "leased"},
    )
