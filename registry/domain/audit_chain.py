"""The audit log as a chain: each event's hash covers its content and the hash before it.

It covers the content through the content's own digest, so that a part of the log can be shown to
others without the events of other models between: their digests suffice to follow the chain.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC

from registry.domain.errors import Invalid
from registry.domain.evidence import AuditEvent, AuditHead

GENESIS = "sha256:" + "0" * 64
_BROKEN = "the audit log is broken"


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """What a walk along the chain found; `broken_at` is the first event that does not fit.

    contains_expected: whether it holds the hash that was kept elsewhere; None if that is not known.
    """

    events: int
    broken_at: int | None
    sentence: str
    contains_expected: bool | None = None

    @property
    def intact(self) -> bool:
        """Whether nothing was edited, removed or reordered, as far as can be known."""
        return self.broken_at is None and self.contains_expected is not False


def kept_hash(text: str) -> str:
    """A hash of the log as somebody kept it, with or without `sha256:`; Invalid if it is none."""
    digits = text.strip().lower().removeprefix("sha256:")
    if re.fullmatch("[0-9a-f]{64}", digits):
        return f"sha256:{digits}"
    raise Invalid(
        f"{text!r} is no SHA-256 ({len(digits)} characters, where 64 hex digits belong); copy the "
        "whole hash, as `stagegate audit export` and `rollout certify` print it"
    )


def event_hash(event: AuditEvent) -> str:
    """SHA-256 over the hash before and the digest of everything else in the event."""
    return link(event.previous_hash, content_digest(event))


def link(previous_hash: str, content: str) -> str:
    """The hash of an event with this digest of its content, after the event with that hash."""
    return "sha256:" + hashlib.sha256(f"{previous_hash} {content}".encode()).hexdigest()


def content_digest(event: AuditEvent) -> str:
    """SHA-256 over the canonical JSON of everything in the event but the two hashes."""
    content = {
        "sequence": event.sequence,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor,
        "action": event.action,
        "model": event.model,
        "version": event.version,
        "rollout_id": event.rollout_id,
        "detail": event.detail,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def chained(event: AuditEvent, last: AuditEvent | AuditHead | None) -> AuditEvent:
    """The event as the next link after `last`: its sequence and both hashes are set here."""
    linked = replace(
        event,
        sequence=last.sequence + 1 if last else 1,
        previous_hash=last.hash if last else GENESIS,
    )
    return replace(linked, hash=event_hash(linked))


def verify(
    events: Iterable[AuditEvent],
    head: AuditHead | None,
    generations: Mapping[str, int],
    expected: str | None = None,
) -> ChainCheck:
    """Walk the whole log, oldest first, and name the first event that does not fit.

    Events that were removed at the very end leave a chain that is whole in itself. They are missed
    by the head, which is kept apart, and by the rollouts, each of whose generations is logged.
    Whoever edits those, too, is found by `expected`: a hash of the log that was kept elsewhere.
    """
    met = 0 if expected == GENESIS else None
    count, previous, logged = 0, GENESIS, dict.fromkeys(generations, 0)
    for count, event in enumerate(events, start=1):
        fault = _fault(event, count, previous)
        if fault:
            return ChainCheck(count, event.sequence, f"{_BROKEN}: {fault}")
        previous = event.hash
        met = count if previous == expected else met
        if event.rollout_id is not None and "generation" in event.detail:
            logged[event.rollout_id] = event.detail["generation"]
    end = AuditHead(count, previous)
    fault = _fault_at_end(end, head) or _unlogged(logged, generations)
    if fault:
        return ChainCheck(count, count + 1, f"{_BROKEN}: {fault}")
    if expected is not None and met is None:
        return ChainCheck(count, None, _unmet(expected, count), contains_expected=False)
    whole = f"the audit log is intact: {count} events, last hash {previous}"
    if met is None:
        return ChainCheck(count, None, whole)
    kept = f"{whole}; it contains the hash that you kept, of event {met}"
    return ChainCheck(count, None, kept, contains_expected=True)


def _fault_at_end(found: AuditHead, head: AuditHead | None) -> str | None:
    if head is None:
        return "it does not know its own end" if found.sequence else None
    if head.sequence > found.sequence:
        return f"it ends with event {found.sequence}, and event {head.sequence} was written"
    return None if head == found else f"event {found.sequence} is not the one that was written last"


def _unmet(expected: str, events: int) -> str:
    return (
        f"the audit log does not contain {expected}: this is another log, or it was cut off or "
        f"rewritten since you kept that hash; its {events} events fit together"
    )


def _unlogged(logged: Mapping[str, int], generations: Mapping[str, int]) -> str | None:
    for rollout, generation in generations.items():
        if logged[rollout] != generation:
            return (
                f"rollout {rollout} is at generation {generation}, and its last change in the log "
                f"is {logged[rollout]}"
            )
    return None


def _fault(event: AuditEvent, expected: int, previous: str) -> str | None:
    if event.sequence != expected:
        return f"event {expected} is missing, event {event.sequence} stands in its place"
    if event.previous_hash != previous:
        return f"event {event.sequence} does not follow the event before it"
    if event.hash != event_hash(event):
        return f"event {event.sequence} was changed after it was written"
    return None
