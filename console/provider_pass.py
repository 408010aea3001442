"""What a browser keeps while it is away at an OpenID provider, so that it need not be kept here.

Signed, so that only what was issued here is taken; it says nothing that its browser may not know.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.adapters.tokens import same

_LONGEST = 2000  # of the address that it leads to; browsers keep cookies of 4,096 bytes


@dataclass(frozen=True, slots=True)
class Pass:
    """The state that must come back with the browser, where it is led then, and by when."""

    state: str
    next: str
    until: datetime


def issued(given: Pass, sign: Callable[[str], str]) -> str:
    """A pass as a cookie.

    >>> until = datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> kept = issued(Pass("s", "/audit", until), str.upper)
    >>> passed(kept, str.upper, datetime(2026, 11, 24, 11, tzinfo=UTC)).next
    '/audit'
    """
    back = given.next if len(given.next.encode()) <= _LONGEST else "/"
    said = json.dumps([given.state, back, int(given.until.timestamp())])
    text = urlsafe_b64encode(said.encode()).decode()
    return f"{text}.{sign(_signed(text))}"


def passed(cookie: str, sign: Callable[[str], str], now: datetime) -> Pass | None:
    """The pass that a cookie is; None if it was not issued here or is too old."""
    text, _, signature = cookie.rpartition(".")
    if not text or not same(signature, sign(_signed(text))):
        return None
    state, back, seconds = json.loads(urlsafe_b64decode(text))
    found = Pass(state, back, datetime.fromtimestamp(seconds, UTC))
    return found if now < found.until else None


def _signed(text: str) -> str:
    """Good for nothing else that the same secret signs."""
    return f"pass to a provider: {text}"
