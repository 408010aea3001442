"""New identities: UUIDs of version 7, which sort by the time they were made."""

import secrets
import uuid
from datetime import datetime


def new_id(now: datetime) -> str:
    """A UUID version 7 of this moment (RFC 9562, section 5.7)."""
    milliseconds = int(now.timestamp() * 1000) & (2**48 - 1)
    number = milliseconds << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))
