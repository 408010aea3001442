"""Telling other programs what happened: who is told, in what words, signed how, tried when.

Signatures, headers and delays are those of the Standard Webhooks specification 1.0.0
(https://github.com/standard-webhooks/standard-webhooks).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from registry.domain.errors import Invalid
from registry.domain.evidence import CLOCKS_DIFFER

SECRET_BYTES = 32  # the specification asks for 24 to 64
OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
KEPT_FOR = timedelta(days=30)
_PREFIX = "whsec_"
_DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
_GIVES_UP_AFTER = sum(_DELAYS, timedelta())
_KNOCKS_AGAIN_AFTER = timedelta(minutes=5)


class Form(StrEnum):
    """How a message is written: as the specification says, or as Slack and its like read it."""

    STANDARD = "standard"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that wants to be told; empty `events` or `models` stand for all of them.

    old_secret signs beside the secret until `old_secret_until`, while receivers change over.
    """

    id: str
    url: str = field(repr=False)  # the address of a chat's channel is a secret itself
    form: Form
    secret: str = field(repr=False)
    events: tuple[str, ...]
    models: tuple[str, ...]
    created_by: str
    created_at: datetime
    old_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str = ""

    @property
    def origin(self) -> str:
        """The address without its path, which may hold a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def wants(self, type_: str, model: str) -> bool:
        """Whether it asked for events of this type and model."""
        return _any(self.events, type_) and _any(self.models, model)

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """What its messages are signed with now, the newest first."""
        if self.old_secret is None or self.old_secret_until is None or now >= self.old_secret_until:
            return (self.secret,)
        return (self.secret, self.old_secret)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on its way to one endpoint; `body` is what is signed and sent, to the byte."""

    id: int
    endpoint_id: str
    message_id: str
    type: str
    model: str
    body: str = field(repr=False)
    created_at: datetime
    next_at: datetime
    attempts: int = 0
    first_tried_at: datetime | None = None
    tried_at: datetime | None = None
    delivered_at: datetime | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered: a status of HTTP, or None with the reason why there is none."""

    status: int | None
    said: str
    retry_after: timedelta | None = None

    @property
    def accepted(self) -> bool:
        """Only a 2xx is a success."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The endpoint wants no message any more."""
        return self.status == 410


def event_type(event: str) -> str:
    """The type of an event, in parts with full stops between: `rollout.deadline_near`."""
    parts = event if "." in event else f"rollout.{event}"
    return parts.replace("-", "_")


def patterns(given: Sequence[str]) -> tuple[str, ...]:
    """What people write to choose types: `live`, `rollout.live`, `rollout.*`."""
    return tuple(one if one == "*" else event_type(one) for one in given)


def checked_url(url: str) -> str:
    """The address itself; Invalid if a message cannot be posted there."""
    try:
        parts = urlsplit(url)
        named = (parts.hostname or "").encode("idna")  # as it is looked up; UnicodeError if never
        fits = parts.scheme in ("http", "https") and bool(named) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(c <= " " for c in url) or len(url) > 2_000:
        raise Invalid(f"{url[:200]!r} is no address of a webhook; write https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise Invalid("an address of a webhook names no user; messages are signed instead")
    return url


def secret_of(random: bytes) -> str:
    """A secret as receivers are given it."""
    return _PREFIX + base64.b64encode(random).decode()


def body_of(
    form: Form, type_: str, payload: Mapping[str, Any], at: datetime, head: Mapping[str, Any]
) -> str:
    """The words of a message.

    head: the end of the audit log at that moment; whoever keeps it can tell whether the log was
    cut off later.
    """
    if form is Form.SLACK:
        return _compact({"text": _escaped(_sentence(type_, payload))})
    data = {key: value for key, value in payload.items() if key != "event"}
    stamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _compact({"type": type_, "timestamp": stamp, "data": {**data, "audit_head": head}})


def headers(secrets: Sequence[str], message_id: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of one attempt, signed at its time with every secret."""
    stamp = str(int(now.timestamp()))
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(sign(s, message_id, stamp, body) for s in secrets),
    }


def sign(secret: str, message_id: str, timestamp: str, body: str) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def next_try(delivery: Delivery, answer: Answer, now: datetime) -> datetime | None:
    """When a refused delivery is tried again; None when it has been tried for long enough.

    `delivery` is as it was before this attempt.
    """
    first = delivery.first_tried_at or now
    if now - first >= _GIVES_UP_AFTER:
        return None
    delay = _DELAYS[min(delivery.attempts, len(_DELAYS) - 1)]
    return now + min(max(delay, answer.retry_after or delay), _DELAYS[-1])


def is_due(delivery: Delivery, now: datetime) -> bool:
    """Whether it may be tried now; what a clock put off that was set back since need not wait."""
    last = delivery.tried_at or delivery.created_at
    return delivery.next_at <= now or last > now + CLOCKS_DIFFER


def knock_again(delivery: Delivery, now: datetime) -> datetime:
    """When the oldest delivery of an endpoint is tried, now that a newer one waits behind it.

    Deliveries keep their order, so after an outage a new message must not wait for hours.
    """
    if delivery.tried_at is None:
        return delivery.next_at
    return min(delivery.next_at, max(now, delivery.tried_at + _KNOCKS_AGAIN_AFTER))


def _any(patterns_: Sequence[str], value: str) -> bool:
    return not patterns_ or any(fnmatchcase(value, pattern) for pattern in patterns_)


def _sentence(type_: str, payload: Mapping[str, Any]) -> str:
    told = payload.get("sentence")
    return str(told) if told else f"{type_}: {payload['model']}@{payload.get('version', '?')}"


def _escaped(text: str) -> str:
    """Slack reads these three as the beginnings of links and names."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
