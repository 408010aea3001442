"""New identities, which nobody can guess."""

import secrets
from datetime import datetime

from serving.domain.naming import uuid7


def new_id(now: datetime) -> str:
    """A UUID version 7 of this moment."""
    return uuid7(now, secrets.randbits(80))
