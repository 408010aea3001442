"""An item's history as its page shows it: what happened, and what each reviewer saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.formatting import (
    Chip,
    Moment,
    duration,
    mapping,
    moment,
    number,
    parse_time,
    percent,
    sequence,
    stage_chip,
    version,
    words,
)
from console.web.views.queues import state_chip
from registry.domain.several import NONE_APPLIES, apart

_NONE_FITS = "none of these"
_HIDDEN = "hidden until the item is settled"
_ACTIONS = {
    "asked": "asked for review",
    "taken": "took it",
    "comment": "commented",
    "snoozed": "put it aside",
    "skipped": "skipped it",
    "escalated": "passed it on to a lead",
    "released": "freed it",
    "undone": "took the answer back",
    "fell back": "showed the model's answer later than drawn",
}
_PRESENTATIONS = {
    "blind": "without the model's answer",
    "answer-first": "the model's answer after the reviewer's own",
    "shown": "with the model's answer from the start",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    at: Moment | None
    actor: str
    action: str
    label: str
    detail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Screen:
    """What one reviewer had before them when they answered."""

    id: str
    reviewer: str
    at: Moment | None
    answer: str
    presentation: str
    model_answer: str
    labels: tuple[tuple[str, bool], ...]  # as they stood; whether it is the answer
    reasons: tuple[str, ...]
    exact: Chip
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ItemHistoryPage:
    """Everything the page shows."""

    id: str
    model: str
    version: str
    stage: Chip
    state: Chip
    outcome: str
    payload_url: str
    is_image: bool
    facts: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...]
    screens: tuple[Screen, ...]


def item_history_page(document: Mapping[str, Any], now: datetime) -> ItemHistoryPage:
    """The page of an item's document."""
    outcome = document.get("outcome")
    return ItemHistoryPage(
        id=str(document["id"]),
        model=str(document.get("model") or ""),
        version=version(document.get("version")),
        stage=stage_chip(document.get("stage")),
        state=state_chip(document.get("state")),
        outcome="" if outcome is None else _label(mapping(outcome).get("prediction")),
        payload_url=str(document.get("payload_url") or ""),
        is_image=str(document.get("payload_type") or "").startswith("image/"),
        facts=_facts(document),
        entries=tuple(_entry(mapping(one), now) for one in sequence(document.get("timeline"))),
        screens=tuple(_screen(mapping(one), now) for one in sequence(document.get("decisions"))),
    )


def _facts(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    gold, said = mapping(document.get("gold")), mapping(document.get("model_answer"))
    chance = document.get("inclusion_probability")
    rows = (
        ("Queue", words(document.get("queue"))),
        ("Settled by", words(document.get("source"))),
        ("Model said", str(said.get("prediction") or "")),
        ("Chance of review", "" if chance is None else percent(chance)),
        ("Random number", _digits(document.get("random_number"))),
        ("Opinions", number(document["opinions_required"]) if _opinions(document) else ""),
        ("Gold item of", str(gold.get("of") or "")),
        ("Known truth", str(mapping(gold.get("truth")).get("prediction") or "") if gold else ""),
        ("Prediction", str(document.get("prediction_id") or "")),
    )
    return tuple((name, value) for name, value in rows if value)


def _opinions(document: Mapping[str, Any]) -> bool:
    return document.get("opinions_required") is not None


def _digits(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else ""


def _entry(one: Mapping[str, Any], now: datetime) -> Entry:
    label = _label(one["label"]) if "label" in one else ""
    detail = mapping(one.get("detail"))
    told = tuple(line for key, value in detail.items() if (line := _told(str(key), value)))
    action, actor = str(one.get("action") or ""), str(one.get("actor") or "")
    return Entry(moment(one.get("at"), now), actor, _ACTIONS.get(action, action), label, told)


def _told(key: str, value: object) -> str:
    """One detail as a line; what says nothing is left out."""
    if value is None or value == "" or value == []:
        return ""
    if key == "presentation":
        return _PRESENTATIONS.get(str(value), str(value))
    if key == "informed":
        return "knew the model's answer" if value else "without the model's answer"
    if key == "seconds" and isinstance(value, int | float):
        return f"after {duration(value)}"
    if key in {"until", "due_at"} and (at := parse_time(value)):
        return f"{words(key).removesuffix(' at')} {at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, list):
        return "; ".join(str(each) for each in value)
    said = f"{value:.4g}" if isinstance(value, float) else str(value)
    return said if key in {"reason", "text", "comment"} else f"{words(key)}: {said}"


def _screen(one: Mapping[str, Any], now: datetime) -> Screen:
    screen = mapping(one.get("screen"))
    is_told = "label" in one
    answer = one.get("label") if is_told else None
    given = apart(str(answer or "")) if screen.get("several") else (answer,)
    labels = tuple((str(each), is_told and each in given) for each in sequence(screen["labels"]))
    return Screen(
        id=f"screen-{one.get('id')}",
        reviewer=str(one.get("reviewer") or ""),
        at=moment(one.get("decided_at"), now),
        answer=_label(answer) if is_told else _HIDDEN,
        presentation=_PRESENTATIONS.get(str(screen.get("presentation")), ""),
        model_answer=_seen_answer(screen),
        labels=(*labels, (_NONE_FITS, is_told and answer in (None, NONE_APPLIES))),
        reasons=tuple(str(each) for each in sequence(screen.get("reasons"))),
        exact=_exact(screen),
        facts=_screen_facts(one, screen),
    )


def _seen_answer(screen: Mapping[str, Any]) -> str:
    if not screen.get("model_answer_shown"):
        return "not in sight"
    return f"in sight: {screen.get('model_answer') or _HIDDEN}"


def _exact(screen: Mapping[str, Any]) -> Chip:
    if screen.get("is_exact"):
        return Chip("✓ exactly this", "good")
    return Chip("✗ not what is stored now", "bad")


def _screen_facts(one: Mapping[str, Any], screen: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    others = "what others had said was in sight" if screen.get("with_opinions") else ""
    rows = (
        ("Input", str(screen.get("payload_digest") or "")),
        ("Page", str(screen.get("page") or "none: by a program or the command line")),
        ("Digest of all", str(one.get("seen") or "")),
        ("Others", others),
    )
    return tuple((name, value) for name, value in rows if value)


def _label(label: object) -> str:
    return _NONE_FITS if label is None else str(label)
