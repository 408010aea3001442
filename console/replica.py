"""Who a process is among those that share the database, also after it died and was started again.

A loop's lease belongs to a name. Whoever comes back under the name that held it goes on at once;
whoever has another waits until the lease has run out.
"""

import fcntl
import os
import uuid
from pathlib import Path

FILE = "replica"


class Replica:
    """The name of the process that serves this home, kept in a file there; each worker has its own.

    The file is locked as long as the process lives; the kernel sees to the end of that. Whoever
    finds it locked is a second process on this home, and gets a name of its own.
    """

    def __init__(self, home: Path, worker: int | None = None) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = home / (FILE if worker is None else f"{FILE}-{worker}")
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        self.name = self._kept() if self._locked() else uuid.uuid4().hex

    def leave(self) -> None:
        """Let the next process on this home have the name."""
        os.close(self._descriptor)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody has it, or the file system knows no locks
            return False
        return True

    def _kept(self) -> str:
        found = os.read(self._descriptor, 32).decode("ascii", "replace")
        if len(found) == 32:
            return found
        name = uuid.uuid4().hex  # a new home, or whoever wrote the file died over it
        os.pwrite(self._descriptor, name.encode(), 0)
        return name
