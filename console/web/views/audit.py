"""The audit log as a page shows it: the newest event first, and whether the chain is intact."""

from collections.abc import Iterator, Mapping, Sequence
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
from console.web.views.gates import VERDICTS

_TOLD = frozenset(
    {"from", "to", "sentence", "reason", "note", "unmet", "approvals", "gates", "readings"}
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the log: what it says in sentences, and the rest of what it holds."""

    sequence: str
    at: Moment | None
    actor: str
    action: str
    model: str
    version: str
    told: tuple[str, ...]
    rest: tuple[tuple[str, str], ...]
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
        told=tuple(_told(mapping(event.get("detail")))),
        rest=tuple(_rest(mapping(event.get("detail")))),
        hash=str(event.get("hash") or ""),
        short_hash=str(event.get("hash") or "").removeprefix("sha256:")[:10],
    )


def _told(values: Mapping[str, Any]) -> Iterator[str]:
    """What people want to know of an event."""
    if values.get("to"):
        yield _move(values.get("from"), values["to"])
    for name in ("sentence", "reason", "note"):
        if isinstance(values.get(name), str) and values[name]:
            yield values[name]
    if sequence(values.get("unmet")):
        yield f"missing was: {_value(values['unmet'])}"
    if sequence(values.get("approvals")):
        yield f"approved by {_value(values['approvals'])}"
    for gate in sequence(values.get("gates")):
        chip = VERDICTS.get(str(mapping(gate).get("verdict")))
        yield f"{chip.text[0] if chip else '·'} {mapping(gate).get('sentence')}"
    for reading in sequence(values.get("readings")):
        yield _read_off(mapping(reading))


def _read_off(reading: Mapping[str, Any]) -> str:
    """What a gate was last seen to say before somebody acted who did not wait for it."""
    verdict = str(reading.get("verdict"))
    chip, segment = VERDICTS.get(verdict), reading.get("segment")
    name = f"{words(reading.get('type'))}{f' ({segment})' if segment else ''}"
    far = reading.get("for_pass")
    so_far = f", {max(float(far), 0):.0%} of the way to passing" if far is not None else ""
    return f"{chip.text[0] if chip else '·'} {name} was {verdict}{so_far}"


def _rest(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name not in _TOLD and value not in (None, "", [], {}):
            yield words(name), _value(value)


def _move(before: object, after: object) -> str:
    to = _place(after)
    return f"from {_place(before)} to {to}" if before else f"to {to}"


def _place(place: object) -> str:
    if not isinstance(place, Mapping):
        return str(place)
    at = f" at {place['weight']:g} %" if place.get("stage") == "gradual" else ""
    return f"{words(place.get('stage'))}{at}"


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
