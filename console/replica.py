"""Who a process is among those that share the database, and whom it takes over from.

A loop's lease belongs to a process. Whoever comes back on a home takes over the leases of the one
that died there, and goes on at once; anybody else waits until they have run out.
"""

import fcntl
import os
import uuid
from pathlib import Path

from registry.adapters.database.engine import Database
from registry.adapters.database.leases import SqlLeases

FILE = "replica"


class Replica:
    """The process that serves this home: its name, which a file there keeps for the next one.

    The file is locked as long as the process lives; the kernel sees to the end of that. Whoever
    finds it locked is a second process on this home and nobody's heir. No two processes have one
    name, also where a home was copied: the first to start on the copy takes the leases over, and
    whoever serves the original stands down.

    worker: its number where several serve one home; each has a file of its own. heir_of: the name
    of the process that served this home before, if any.
    """

    def __init__(self, home: Path, worker: int | None = None) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.name = uuid.uuid4().hex
        file = home / (FILE if worker is None else f"{FILE}-{worker}")
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        self.heir_of = self._replaced() if self._locked() else None

    def leave(self) -> None:
        """Let the next process on this home be the heir."""
        os.close(self._descriptor)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody has it, or the file system knows no locks
            return False
        return True

    def _replaced(self) -> str | None:
        """The name that was in the file, where its own is now."""
        found = os.read(self._descriptor, 32).decode("ascii", "replace")
        os.pwrite(self._descriptor, self.name.encode(), 0)
        return found if len(found) == 32 else None  # whoever wrote it may have died over it


def take_over(database: Database, replica: Replica) -> None:
    """Go on with what the process before on this home led, without waiting for its leases' end."""
    if replica.heir_of is not None:
        with database.begin() as connection:
            SqlLeases(connection).pass_on(replica.heir_of, replica.name)
