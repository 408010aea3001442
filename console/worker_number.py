"""A number for each process on a home where nobody gives them out."""

import fcntl
import os
from itertools import count
from pathlib import Path


class WorkerNumber:
    """The lowest number that no living process on this home has; its own until it ends."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for self.number in count(1):
            self._held = os.open(home / f"worker-{self.number}", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._held)
            else:
                return

    def leave(self) -> None:
        """Let another have it."""
        os.close(self._held)
