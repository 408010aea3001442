"""The review page: one item, what the reviewer may answer, and what became of the last answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.web.views.formatting import (
    Chip,
    Moment,
    clock,
    mapping,
    moment,
    parse_time,
    percent,
    sequence,
    stage_chip,
    version,
    words,
)
from console.web.views.review_notices import Notice, quoted
from registry.domain.several import apart

ESCALATIONS = (
    "I am not sure enough",
    "The labels do not fit it",
    "It may be harmful",
)
SNOOZES = (("10 minutes", 10), ("1 hour", 60), ("1 day", 24 * 60))

SKIP_REASONS = (
    "I cannot tell",
    "The photograph is broken or empty",
    "More than one thing is on it",
    "Not my field",
)

_PRESENTATIONS = {
    "blind": "Blind: the model's answer stays hidden.",
    "answer-first": "Answer first: the model's answer is shown after yours.",
    "shown": "The model's answer is shown beside the labels.",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One label; `key` is empty beyond the ninth, `model_share` unless the answer is shown."""

    label: str
    key: str
    model_share: str = ""
    model_width: str = "0"
    model_says: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the item is here."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Said:
    """What another reviewer did, for the lead who settles it; unnamed, so as not to sway."""

    title: str
    words: str


@dataclass(frozen=True, slots=True)
class Lease:
    """For how long the item is kept for this reviewer; `lost` says why it no longer is."""

    seconds: int
    clock: str
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """The item on the reviewer's table."""

    id: str
    path: str
    payload_url: str
    is_image: bool
    is_json: bool
    payload_type: str
    model: str
    version: str
    stage: Chip
    reasons: tuple[Reason, ...]
    choices: tuple[Choice, ...]
    presentation: str
    presentation_note: str
    epoch: int
    idempotency_key: str
    lease: Lease
    waiting: Moment | None
    due: Moment | None
    open: str
    missing: str
    has_alike: bool
    several: bool
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Everything the review page shows; without an item the queue is empty."""

    actor: str
    model: str
    item: Item | None
    notice: Notice | None
    skip_reasons: tuple[str, ...] = SKIP_REASONS
    escalations: tuple[str, ...] = ESCALATIONS
    snoozes: tuple[tuple[str, int], ...] = SNOOZES

    @property
    def look_url(self) -> str:
        """Where the page asks for its next item."""
        return "/review/item" + self.query

    @property
    def query(self) -> str:
        """The chosen model as a query."""
        return f"?model={quote(self.model, safe='')}" if self.model else ""


def review_page(
    document: Mapping[str, Any] | None,
    now: datetime,
    actor: str,
    idempotency_key: str,
    model: str = "",
    notice: Notice | None = None,
    others: Sequence[Mapping[str, Any]] = (),
) -> ReviewPage:
    """The page for the next item, or for an empty queue."""
    item = None if document is None else review_item(document, now, idempotency_key, others)
    return ReviewPage(actor, model, item, notice)


def review_item(
    document: Mapping[str, Any],
    now: datetime,
    idempotency_key: str,
    others: Sequence[Mapping[str, Any]] = (),
) -> Item:
    """One item as the page shows it; an answer sent twice under its key is stored once."""
    path = f"/review/{quote(str(document['id']), safe='')}"
    kind = str(document.get("payload_type") or "")
    presentation = str(document.get("presentation") or "blind")
    several = bool(document.get("several"))
    return Item(
        id=str(document["id"]),
        path=path,
        payload_url=str(document["payload_url"]),
        is_image=kind.startswith("image/"),
        is_json=kind.split(";")[0].strip() == "application/json",
        payload_type=kind,
        model=str(document["model"]),
        version=version(document.get("version")),
        stage=stage_chip(document.get("stage")),
        reasons=tuple(_reason(reason) for reason in sequence(document.get("reasons"))),
        choices=choices(document, shown=presentation == "shown"),
        presentation=presentation,
        presentation_note=_PRESENTATIONS.get(presentation, ""),
        epoch=int(document["epoch"]),
        idempotency_key=idempotency_key,
        lease=lease(document, now),
        waiting=moment(document.get("waiting_since"), now),
        due=moment(document.get("due_at"), now),
        open=str(document.get("open", "")),
        missing=str(document.get("payload_missing") or ""),
        has_alike=presentation == "shown" and document.get("queue") == "work" and not several,
        several=several,
        said=tuple(_said(place, one) for place, one in enumerate(others, start=1)),
    )


def lease(document: Mapping[str, Any], now: datetime, lost: str = "") -> Lease:
    """The lease of an item; over if the document names no end."""
    until = parse_time(document.get("lease_until"))
    left = 0 if until is None else max(0, int((until - now).total_seconds()))
    return Lease(left, clock(left), lost)


def _said(place: int, one: Mapping[str, Any]) -> Said:
    if "action" in one:
        detail = mapping(one.get("detail"))
        return Said(
            words(one["action"]).capitalize(), str(detail.get("reason", detail.get("text")))
        )
    return Said(f"Reviewer {place}: {quoted(one.get('label'))}", str(one.get("comment") or ""))


def _reason(reason: Mapping[str, Any]) -> Reason:
    return Reason(words(reason.get("code")).capitalize(), str(reason.get("reason") or ""))


def choices(document: Mapping[str, Any], *, shown: bool) -> tuple[Choice, ...]:
    """The labels; with the model's shares if they are to be shown."""
    answer = mapping(document.get("model_answer")) if shown else {}
    shares = mapping(answer.get("probabilities"))
    said = str(answer.get("prediction") or "")
    chosen = apart(said) if document.get("several") else (said,)
    return tuple(
        Choice(
            label=str(label),
            key=str(place) if place <= 9 else "",
            model_share=percent(shares[label]) if label in shares else "",
            model_width=f"{100 * float(shares.get(label, 0)):.1f}",
            model_says=label in chosen,
        )
        for place, label in enumerate(document["labels"], start=1)
    )
