"""The audit log as a page shows it: the newest event first, and whether the chain is intact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.web.views.formatting import (
    Chip,
    Moment,
    mapping,
    moment,
    number,
    sequence,
    version,
    words,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log."""

    sequence: str
    at: Moment | None
    actor: str
    action: str
    model: str
    version: str
    detail: str
    hash: str
    short_hash: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Everything the audit page shows."""

    chain: Chip
    chain_sentence: str
    events: tuple[Event, ...]
    models: tuple[str, ...]
    model: str


def audit_page(
    log: Mapping[str, Any],
    verification: Mapping[str, Any] | None,
    models: Sequence[str],
    model: str,
    now: datetime,
) -> AuditPage:
    """The page of the newest events."""
    chain, sentence = _chain(verification)
    return AuditPage(
        chain, sentence, events(sequence(log.get("events")), now), tuple(models), model
    )


def events(documents: Sequence[Mapping[str, Any]], now: datetime) -> tuple[Event, ...]:
    """Events with the newest first."""
    newest_first = sorted(documents, key=lambda event: -int(event["sequence"]))
    return tuple(_event(event, now) for event in newest_first)


def _event(event: Mapping[str, Any], now: datetime) -> Event:
    return Event(
        sequence=str(event["sequence"]),
        at=moment(event.get("at"), now),
        actor=str(event.get("actor") or ""),
        action=words(event.get("action")),
        model=str(event.get("model") or ""),
        version=version(event["version"]) if event.get("version") is not None else "",
        detail=detail(mapping(event.get("detail"))),
        hash=str(event.get("hash") or ""),
        short_hash=str(event.get("hash") or "").removeprefix("sha256:")[:10],
    )


def detail(values: Mapping[str, Any]) -> str:
    """What an event carries, in one line."""
    return " · ".join(
        f"{words(name)}: {_value(value)}"
        for name, value in values.items()
        if value not in (None, "")
    )


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{words(name)} {_value(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_value(each) for each in value)
    return number(value)


def _chain(verification: Mapping[str, Any] | None) -> tuple[Chip, str]:
    if verification is None:
        return Chip("not checked"), "The chain of hashes was not checked."
    sentence = str(verification.get("sentence") or "")
    if verification.get("intact"):
        return Chip("✓ intact", "good"), sentence
    return Chip("✗ broken", "bad"), sentence
