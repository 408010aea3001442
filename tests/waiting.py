"""Waiting for what must come, for as long as a slow machine may need."""

import time
from collections.abc import Callable

# Far more than anything here takes; reached only when what is waited for never comes.
PATIENCE = 120.0


def eventually(claim: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether the claim becomes true; looks again and again."""
    until = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
